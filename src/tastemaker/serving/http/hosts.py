"""Hosts: names, origins and addresses in settings, in the form in which requests have them."""

from ipaddress import ip_network
from urllib.parse import SplitResult, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


def host_in(url: str) -> str | None:
    """Returns the host name of a URL without its port; None if the URL is invalid."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def as_host(text: str) -> str:
    """Returns a host name as `host_in` finds it in requests: in lower case, without a port.

    Raises:
        ValueError: the text is not a host name.
    """
    is_plain_ipv6 = text.count(":") > 1 and not text.startswith("[")
    parts = _parts_of(f"//[{text}]" if is_plain_ipv6 else f"//{text}")
    if parts is None or parts.path:
        raise ValueError("it should be a host name alone, such as shop.example")
    return parts.hostname or ""


def as_origin(text: str) -> str:
    """Returns an origin as browsers send it: in lower case, without a slash or a usual port.

    Raises:
        ValueError: the text is neither an origin nor "*", which stands for all origins.
    """
    if text == "*":
        return text
    parts = _parts_of(text)
    if parts is None or parts.scheme not in DEFAULT_PORTS or parts.path not in ("", "/"):
        raise ValueError("it should be an origin without a path, such as https://shop.example")
    host = parts.netloc.lower().removesuffix(f":{DEFAULT_PORTS[parts.scheme]}")
    return f"{parts.scheme}://{host}"


def as_proxy(text: str) -> str:
    """Returns the address or network of a proxy.

    Raises:
        ValueError: the text is neither, or an address with bits beyond those of its network.
    """
    try:
        ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"it should be an address or a network, such as 10.0.0.5 or 10.0.0.0/8 ({error})"
        ) from None
    return text


def _parts_of(url: str) -> SplitResult | None:
    """Returns the parts of a URL of at most a scheme, a host, a port and a path; else None."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is not a number
    except ValueError:
        return None
    is_plain = url.isascii() and url.isprintable() and not set(url) & set("@?# \\,")
    return parts if is_plain and parts.hostname else None

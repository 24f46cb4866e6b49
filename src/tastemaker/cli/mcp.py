"""tastemaker mcp: offers the service to language-model agents."""

import socket
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tastemaker.cli.common import note, until_ctrl_c
from tastemaker.errors import ConfigError

if TYPE_CHECKING:
    from mcp.server import MCPServer


def mcp(
    service: Annotated[
        str,
        typer.Option(
            "--service",
            help="URL of the service, such as http://127.0.0.1:8000.",
            show_default=False,
        ),
    ],
    transport: Annotated[
        Literal["stdio", "http"],
        typer.Option(
            "--transport",
            help="How agents connect: over standard input and output if they start this command "
            "(stdio), or over HTTP (http).",
        ),
    ] = "stdio",
    host: Annotated[str, typer.Option("--host", help="Address to listen on, for http.")] = (
        "127.0.0.1"
    ),
    port: Annotated[
        int,
        typer.Option(
            "--port",
            min=0,
            max=65_535,
            help="Port to listen on, for http; 0 takes a free one, which is printed.",
        ),
    ] = 8001,
    key: Annotated[
        str | None,
        typer.Option("--key", envvar="TASTEMAKER_KEY", help="API key of the service for reading."),
    ] = None,
    write_key: Annotated[
        str | None,
        typer.Option(
            "--write-key",
            envvar="TASTEMAKER_WRITE_KEY",
            help="API key of the service for writing; without it, agents cannot record events.",
        ),
    ] = None,
    allow_remote: Annotated[
        bool,
        typer.Option("--allow-remote", help="Allow an address that other machines can reach."),
    ] = False,
) -> None:
    """Offer the service to language-model agents, as tools of the Model Context Protocol (MCP).

    Example: tastemaker mcp --service http://127.0.0.1:8000
    """  # fmt: skip
    from tastemaker.wire import LOOPBACK

    if transport == "http" and host not in LOOPBACK and not allow_remote:
        raise ConfigError(
            f"--host {host}: any client that can reach this address could use the tools with the "
            "keys given here; use 127.0.0.1, or add --allow-remote if only permitted clients can "
            "reach it"
        )
    try:
        from tastemaker.agents import make_server
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'agents need the package {error.name}: pip install "tastemaker[agents]"'
        ) from None

    server = make_server(service, read_key=key, write_key=write_key)
    with until_ctrl_c():
        if transport == "stdio":
            server.run("stdio")
        else:
            _listen(server, host, port)


def _listen(server: "MCPServer", host: str, port: int) -> None:
    import uvicorn

    with _bound_socket(host, port) as server_socket:
        shown = f"[{host}]" if ":" in host else host
        bound_port = server_socket.getsockname()[1]
        note(f"agents connect to http://{shown}:{bound_port}/mcp; Ctrl-C stops it")
        app = server.streamable_http_app(host=host)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[server_socket])


def _bound_socket(host: str, port: int) -> socket.socket:
    # Bound here, not by uvicorn: a port in use gives a one-line error, and port 0 its number.
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}, port {port}: {error.strerror}; choose another --port or "
            "--host"
        ) from None

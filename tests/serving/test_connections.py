"""Limits on memory, connections and time that a client without a key can use."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx2
import pytest

from .conftest import Databases, Serving
from .server import Server, tastemaker, until

MIB = 1 << 20

ROOM_MIB = 12
"""What a worker may grow by for reasons of its own; each attack below sends several times more."""

MOST_CONNECTIONS, MOST_HEADER_BYTES, HEADERS_S, BODY_S = 40, 4096, 1.5, 2.5

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def limited(ease_run, new_database: Databases, serving: Serving) -> Iterator[Server]:
    """A service with small limits."""
    with serving(
        ease_run, new_database("sqlite"), max_connections=MOST_CONNECTIONS,
        max_header_bytes=MOST_HEADER_BYTES, max_headers=30, max_held_bytes=4 * MIB,
        headers_timeout_s=HEADERS_S, body_timeout_s=BODY_S, idle_timeout_s=60,
    ) as server:  # fmt: skip
        yield server


def connected(service: Server) -> socket.socket:
    host, _, port = service.url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def received(connection: socket.socket) -> bytes:
    """Everything that it answers until it ends the connection."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def flood(connection: socket.socket, piece: bytes, n_bytes: int) -> None:
    """Sends until it is cut off."""
    with contextlib.suppress(OSError):
        for _ in range(n_bytes // len(piece)):
            connection.sendall(piece)


def assert_serves_others(service: Server) -> None:
    """A caller of good faith is served, with an event and with a list."""
    with httpx2.Client(base_url=service.url, timeout=30) as http:
        kept = http.post("/v1/events", json={"user_id": 7, "item_id": 3})
        assert kept.status_code == 200
        assert http.get("/v1/users/7/recommendations").status_code == 200


def refused_with(answer: bytes, status: int, words: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:300]
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    problem = httpx2.Response(status, content=body).json()
    assert (problem["status"], words in problem["detail"]) == (status, True), problem


# Headers


@pytest.mark.parametrize("piece", [b"a" * 65_536, b"a: b\r\n" * 10_000], ids=["one", "many"])
def test_headers_without_an_end_are_disconnected_and_free_their_memory(
    limited: Server, piece: bytes
) -> None:
    before = limited.memory_mib()
    with connected(limited) as connection:
        connection.sendall(HEAD + b"X-A: ")
        flood(connection, piece, 60 * MIB)
        assert_serves_others(limited)
    assert limited.memory_mib() - before < ROOM_MIB


def test_headers_are_measured_to_the_byte(limited: Server) -> None:
    # The path, and of each header its name, its value, a colon, a space and the line's end.
    remaining = MOST_HEADER_BYTES - len("/healthz") - len("Host: localhost\r\n") - len("A: \r\n")
    for length, status in [(remaining, 200), (remaining + 1, 431)]:
        with connected(limited) as connection:
            connection.sendall(HEAD + b"A: " + b"a" * length + b"\r\n\r\n")
            answer = connection.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    refused_with(answer, 431, "at most 30 headers and 4,096 bytes of headers")


def test_too_many_headers_are_refused(limited: Server) -> None:
    for n, status in [(29, 200), (30, 431)]:
        with connected(limited) as connection:
            connection.sendall(HEAD + b"a: b\r\n" * n + b"\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 %d " % status)


def test_a_path_without_an_end_is_refused_too(limited: Server) -> None:
    with connected(limited) as connection:
        connection.sendall(b"GET /" + b"a" * 10_000)
        refused_with(received(connection), 431, "4,096 bytes")


def test_a_request_that_is_not_http_is_a_problem_response(limited: Server) -> None:
    for nonsense in (b"\x16\x03\x01\x02\x00\x01", b"HELO mail\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        with connected(limited) as connection:
            connection.sendall(nonsense)
            refused_with(received(connection), 400, "not valid HTTP/1.1")


# Bodies


def test_unfinished_bodies_share_one_memory_limit(limited: Server) -> None:
    before = limited.memory_mib()
    with ExitStack() as open_:
        for _ in range(30):
            connection = open_.enter_context(connected(limited))
            connection.sendall(POST + b"Content-Length: 1048576\r\n\r\n")
            flood(connection, b" " * (MIB - 1), MIB - 1)
        assert_serves_others(limited)
        assert limited.memory_mib() - before < 4 + ROOM_MIB < 30
        assert metric(limited, "held") > 20


def metric(service: Server, reason: str) -> float:
    name = f'tastemaker_connections_refused_total{{reason="{reason}"}}'
    lines = httpx2.get(f"{service.url}/metrics").text.splitlines()
    return float(next((each for each in lines if each.startswith(name)), "x 0").split()[-1])


def test_a_body_is_not_read_before_its_sender_is_known(
    ease_run, new_database: Databases, serving: Serving
) -> None:
    database = new_database("sqlite")
    key = tastemaker("keys", "add", "--database", database, "--scope", "write").stdout.split()[-1]
    with serving(ease_run, database) as service:
        for credentials in (b"", b"Authorization: Bearer abc.def\r\n"):
            with connected(service) as connection:
                connection.sendall(POST + credentials + b"Content-Length: 1000000\r\n\r\n{")
                answer = connection.recv(65_536)
                assert answer.startswith(b"HTTP/1.1 401 "), "it waits for the body first"
        event = {"user_id": 7, "item_id": 3}
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx2.post(f"{service.url}/v1/events", json=event, headers=headers).is_success
        listed = httpx2.post(
            f"{service.url}/v1/recommendations", json={"history": [3]}, headers=headers
        )
        assert listed.status_code == 403


def test_a_body_that_is_announced_too_large_is_refused_unread(limited: Server) -> None:
    with connected(limited) as connection:
        connection.sendall(POST + b"Content-Length: 100000000\r\n\r\n{")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


# Time


def test_headers_and_bodies_that_take_too_long_time_out(limited: Server) -> None:
    for unfinished, limit_s, words in [
        (HEAD, HEADERS_S, "the headers took longer than 1.5 seconds"),
        (POST + b"Content-Length: 99\r\n\r\n{", BODY_S, "the body took longer than 2.5 seconds"),
    ]:
        with connected(limited) as connection:
            connection.sendall(unfinished)
            asked_at = time.monotonic()
            with contextlib.suppress(OSError):
                while time.monotonic() - asked_at < limit_s:
                    time.sleep(0.2)
                    connection.sendall(b"X" if unfinished == HEAD else b" ")
            refused_with(received(connection), 408, words)
            assert time.monotonic() - asked_at > 0.9 * limit_s


def test_a_silent_connection_is_closed_without_a_response(limited: Server) -> None:
    with connected(limited) as connection:
        assert received(connection) == b""


def test_a_connection_that_is_idle_between_requests_is_kept_for_long(limited: Server) -> None:
    with connected(limited) as connection:
        for _ in range(2):
            connection.sendall(HEAD + b"\r\n")
            answer = b""
            while b'"ok"}' not in answer:
                answer += connection.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 200 ")
            time.sleep(HEADERS_S + 0.5)


def test_a_client_that_does_not_read_is_disconnected(limited: Server) -> None:
    before = limited.memory_mib()
    with connected(limited) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 120)
        until(lambda: is_disconnected(connection), 60)
    assert limited.memory_mib() - before < 4 * ROOM_MIB
    assert_serves_others(limited)


def is_disconnected(connection: socket.socket) -> bool:
    """Whether sending fails, without anything being read."""
    try:
        connection.send(b"\r\n", socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    time.sleep(0.2)
    return False


# Requests ahead of their responses


def test_pipelined_requests_are_answered_in_order_up_to_a_number(limited: Server) -> None:
    one, other = HEAD + b"\r\n", HEAD.replace(b"healthz", b"v1/none") + b"\r\n"
    with connected(limited) as connection:
        connection.sendall((one + other) * 40 + HEAD + b"Connection: close\r\n\r\n")
        statuses = [part[:3] for part in received(connection).split(b"HTTP/1.1 ")[1:]]
        assert statuses == [b"200", b"404"] * 40 + [b"200"]
    before = limited.memory_mib()
    with connected(limited) as connection:
        flood(
            connection,
            b"GET /v1/items?limit=200 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000,
            10 * MIB,
        )
        received(connection)
    assert limited.memory_mib() - before < ROOM_MIB
    assert_serves_others(limited)


# Connections


def test_idle_connections_do_not_block_new_ones(limited: Server) -> None:
    with ExitStack() as open_:
        idle = [open_.enter_context(connected(limited)) for _ in range(3 * MOST_CONNECTIONS)]
        for _ in range(3):
            assert_serves_others(limited)
        assert received(idle[0]) == b"", "the one that waits longest goes first"
        assert metric(limited, "crowded") >= 2 * MOST_CONNECTIONS


def test_the_log_says_that_connections_were_refused(limited: Server) -> None:
    with connected(limited) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        received(connection)
    until(lambda: "connections refused" in limited.output(), 10)
    assert "Invalid HTTP request" not in limited.output()
    assert "Traceback" not in limited.output(), limited.output()


def test_more_connections_than_file_descriptors_do_not_block_the_service(
    ease_run, new_database: Databases, serving: Serving
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2_000:
        pytest.skip(f"this process may open {hard} files; the test needs 2,000")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2_000), hard))
    with serving(ease_run, new_database("sqlite")) as service:
        # As if the system had allowed so many; it was started with more.
        service.stop()
        service.limits = {resource.RLIMIT_NOFILE: (700, 700)}
        service.start()
        with ExitStack() as open_:
            for _ in range(1_030):
                open_.enter_context(connected(service))
            assert_serves_others(service)
            assert_serves_others(service)
        assert_serves_others(service)


def test_the_soft_limit_on_files_is_raised(
    ease_run, new_database: Databases, serving: Serving
) -> None:
    with serving(
        ease_run, new_database("sqlite"), limits={resource.RLIMIT_NOFILE: (512, 4096)}
    ) as (service):
        assert resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)[0] == 2_512

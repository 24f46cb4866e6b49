"""A load generator: HTTP/1.1 over kept-alive connections, with as little of its own as can be."""

import asyncio
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, takewhile


@dataclass
class Load:
    """The latencies and statuses of the responses."""

    elapsed_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / self.elapsed_s


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    if body:
        head += "Content-Type: application/json\r\n"
    return head.encode() + b"\r\n" + body


def as_fast_as_possible(
    port: int, requests: Iterable[bytes], connections: int, duration_s: float = math.inf
) -> Load:
    """Each connection sends the next request when it has its answer, while there are any."""
    until = time.perf_counter() + duration_s
    left = takewhile(lambda _: time.perf_counter() <= until, requests)
    return asyncio.run(_send(port, ((0.0, request) for request in left), connections))


def steadily(
    port: int, requests: Sequence[bytes], connections: int, rate: float, duration_s: float
) -> Load:
    """So many requests a second, whether or not answers come; latency counts from when it was due.

    Otherwise a slow answer would hold back the requests that would have seen it.
    """
    started_at = time.perf_counter()
    due = (started_at + n / rate for n in range(int(rate * duration_s)))
    return asyncio.run(_send(port, zip(due, cycle(requests), strict=False), connections))


async def _send(port: int, schedule: Iterator[tuple[float, bytes]], connections: int) -> Load:
    """Sends each request when it is due, or as soon as a connection is free; 0 is due at once."""
    load = Load()
    started_at = time.perf_counter()

    async def use_connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for due_at, request in schedule:
            now = time.perf_counter()
            if due_at > now:
                await asyncio.sleep(due_at - now)
            writer.write(request)
            await _answer(reader, load, due_at or now)
        writer.close()

    await asyncio.gather(*(use_connection() for _ in range(connections)))
    load.elapsed_s = time.perf_counter() - started_at
    return load


async def _answer(reader: asyncio.StreamReader, load: Load, sent_at: float) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    start = lower.index(b"content-length:") + 15
    await reader.readexactly(int(lower[start : lower.index(b"\r", start)]))
    load.latencies_s.append(time.perf_counter() - sent_at)
    status = int(head[9:12])
    load.statuses[status] = load.statuses.get(status, 0) + 1

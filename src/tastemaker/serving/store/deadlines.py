"""Deadlines: nobody waits for ever for a database server that has stopped answering."""

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any

LOOK_EVERY_S = 0.1


class Deadlines:
    """Ends a wait by shutting the connection's socket down: the driver then finds it closed.

    A statement timeout is kept by the server, and so by no server that is stopped or behind a dead
    network; a timeout of TCP does not see a stopped process, whose kernel goes on to acknowledge.
    """

    def __init__(self, lost: type[Exception]) -> None:
        """Takes what the driver raises of a connection that was lost meanwhile."""
        self._lost = lost
        self._due_at: dict[Any, float] = {}
        self._changed = threading.Condition()
        self._ended = False
        self._thread: threading.Thread | None = None

    def set(self, connection: Any, longest_s: float) -> None:
        """Gives what the connection does next so many seconds.

        Args:
            connection: of the driver, with a `fileno`.
            longest_s: seconds from now.
        """
        with self._changed:
            self._due_at[connection] = time.monotonic() + longest_s
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, daemon=True, name="deadlines")
                self._thread.start()
            self._changed.notify()

    def clear(self, connection: Any) -> None:
        """Lets the connection be: it has answered, or is about to be closed."""
        with self._changed:
            self._due_at.pop(connection, None)

    def end(self) -> None:
        """Ends the watch."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._due_at or self._ended)
                if self._ended:
                    return
                now = time.monotonic()
                for connection in [each for each, at in self._due_at.items() if at <= now]:
                    del self._due_at[connection]
                    # Under the lock: nobody closes it meanwhile, and its number is no other's.
                    with suppress(OSError, self._lost):
                        _shut(connection)
            time.sleep(LOOK_EVERY_S)


def _shut(connection: Any) -> None:
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as shared:
        shared.shutdown(socket.SHUT_RDWR)

"""Deadlines: end the waits for a database server that has stopped answering."""

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any

CHECK_EVERY_S = 0.1


class Deadlines:
    """Ends a wait by shutting down the connection's socket, on which the driver raises an error.

    A statement timeout is enforced by the server, so it does not work if the server is stopped or
    the network is down. A TCP timeout does not detect a stopped process, whose kernel continues to
    acknowledge packets.
    """

    def __init__(self, lost_error: type[Exception]) -> None:
        """Takes the exception that the driver raises for a lost connection."""
        self._lost_error = lost_error
        self._due_at: dict[Any, float] = {}
        self._changed = threading.Condition()
        self._ended = False
        self._thread: threading.Thread | None = None

    def set(self, connection: Any, timeout_s: float) -> None:
        """Sets the deadline of a connection's next operation.

        Args:
            connection: connection of the driver, with a `fileno`.
            timeout_s: seconds from now.
        """
        with self._changed:
            self._due_at[connection] = time.monotonic() + timeout_s
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, daemon=True, name="deadlines")
                self._thread.start()
            self._changed.notify()

    def clear(self, connection: Any) -> None:
        """Removes the deadline of a connection that has answered, or is about to be closed."""
        with self._changed:
            self._due_at.pop(connection, None)

    def end(self) -> None:
        """Ends the background thread."""
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
                late = [connection for connection, at in self._due_at.items() if at <= now]
                for connection in late:
                    del self._due_at[connection]
                    # Under the lock, for which a close waits: the file descriptor cannot be closed
                    # and reused meanwhile.
                    with suppress(OSError, self._lost_error):
                        _shut_down(connection)
            time.sleep(CHECK_EVERY_S)


def _shut_down(connection: Any) -> None:
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as shared:
        shared.shutdown(socket.SHUT_RDWR)

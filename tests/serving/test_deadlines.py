"""Deadlines: what hangs is ended, whatever becomes of other connections."""

import threading
import time

import psycopg

from tastemaker.serving.store.deadlines import Deadlines


class Lost:
    """A connection that another thread loses just when its time is up."""

    closed = False

    def fileno(self) -> int:
        raise psycopg.OperationalError("the connection is lost")


class Hanging:
    """A connection that does not answer until its time is up."""

    def __init__(self) -> None:
        self.looked_at = threading.Event()

    @property
    def closed(self) -> bool:
        self.looked_at.set()
        return True


def test_a_connection_lost_meanwhile_does_not_end_the_deadlines_of_the_others() -> None:
    deadlines, hanging = Deadlines(psycopg.Error), Hanging()
    deadlines.set(Lost(), 0)
    time.sleep(0.3)
    deadlines.set(hanging, 0)
    assert hanging.looked_at.wait(5)
    deadlines.end()

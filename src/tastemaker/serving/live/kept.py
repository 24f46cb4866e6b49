"""Kept answers: bytes that need not be made again, bounded by how many bytes they are."""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")

OVERHEAD_BYTES = 500
"""What keeping an entry takes beside its key and its value."""


class Kept(Generic[Value]):
    """The entries used last, as many as fit; all of them rest on the same objects.

    The objects, such as a model and a catalog, are not kept alive by this: once they are replaced,
    they are gone, and at the next look so is everything that rests on them. For several threads.
    """

    def __init__(self, most_bytes: int) -> None:
        """Takes how many bytes the entries may have together."""
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._basis: tuple[weakref.ref[object], ...] = ()
        self._entries: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self.n_bytes = 0
        """Bytes of all entries."""

    def get(self, key: Hashable, *basis: object) -> Value | None:
        """The entry, if it rests on these very objects."""
        with self._lock:
            self._rest_on(basis)
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: Value, n_bytes: int, *basis: object) -> None:
        """Keeps an entry, and gives up those that were not used for longest.

        Args:
            key: by which it is found.
            value: what is kept.
            n_bytes: what key and value take.
            basis: the objects on which it rests.
        """
        n_bytes += OVERHEAD_BYTES
        with self._lock:
            self._rest_on(basis)
            self._drop(key)
            if n_bytes > self._most_bytes:
                return
            self._entries[key] = value, n_bytes
            self.n_bytes += n_bytes
            while self.n_bytes > self._most_bytes:
                self._drop(next(iter(self._entries)))

    def _rest_on(self, basis: tuple[object, ...]) -> None:
        same = len(basis) == len(self._basis) and all(
            kept() is given for kept, given in zip(self._basis, basis, strict=True)
        )
        if not same:
            self._basis = tuple(weakref.ref(each) for each in basis)
            self._entries.clear()
            self.n_bytes = 0

    def _drop(self, key: Hashable) -> None:
        _, n_bytes = self._entries.pop(key, (None, 0))
        self.n_bytes -= n_bytes

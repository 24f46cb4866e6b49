"""A cache of values, bounded by their total size in bytes."""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")

OVERHEAD_BYTES = 500
"""Size in bytes assumed for an entry besides its key and its value."""


class Kept(Generic[Value]):
    """A thread-safe LRU cache, all of whose entries depend on the same objects (the basis).

    The objects, such as a model and a catalog, are held by weak references only. The first access
    with other objects removes all entries.
    """

    def __init__(self, most_bytes: int) -> None:
        """Takes the maximum size of all entries in bytes."""
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._basis: tuple[weakref.ref[object], ...] = ()
        self._entries: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self.n_bytes = 0
        """Size of all entries in bytes."""

    def get(self, key: Hashable, *basis: object) -> Value | None:
        """Returns the value of an entry if it depends on exactly these objects, else None."""
        with self._lock:
            self._rest_on(basis)
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: Value, n_bytes: int, *basis: object) -> None:
        """Adds an entry, and removes the least recently used ones beyond the maximum size.

        Args:
            key: the key of the entry.
            value: the value of the entry.
            n_bytes: size of key and value in bytes.
            basis: the objects on which the entry depends.
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

"""A cache of values, bounded by their total size in bytes."""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")

OVERHEAD_BYTES = 500
"""Size in bytes assumed for an entry besides its key and its value."""


class BoundedCache(Generic[Value]):
    """A thread-safe LRU cache, all of whose entries depend on the same objects (the basis).

    The objects, such as a model and a catalog, are held by weak references only. The first access
    with other objects removes all entries.
    """

    def __init__(self, max_bytes: int) -> None:
        """Takes the maximum size of all entries in bytes."""
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._basis: tuple[weakref.ref[object], ...] = ()
        self._entries: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self.n_bytes = 0
        """Size of all entries in bytes."""

    def get(self, key: Hashable, *basis: object) -> Value | None:
        """Returns the value of an entry if it depends on exactly these objects, else None."""
        with self._lock:
            self._use_basis(basis)
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

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
            self._use_basis(basis)
            self._remove(key)
            if n_bytes > self._max_bytes:
                return
            self._entries[key] = value, n_bytes
            self.n_bytes += n_bytes
            while self.n_bytes > self._max_bytes:
                self._remove(next(iter(self._entries)))

    def _use_basis(self, basis: tuple[object, ...]) -> None:
        same = len(basis) == len(self._basis) and all(
            reference() is current for reference, current in zip(self._basis, basis, strict=True)
        )
        if not same:
            self._basis = tuple(weakref.ref(current) for current in basis)
            self._entries.clear()
            self.n_bytes = 0

    def _remove(self, key: Hashable) -> None:
        _, n_bytes = self._entries.pop(key, (None, 0))
        self.n_bytes -= n_bytes

"""The fingerprint of a data set: a hash of all that a model can learn from."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b

import numpy as np
import polars as pl

from tastemaker.data.vocabulary import Vocabulary

IDS_PER_BLOCK = 2**16

Buffers = Iterable[memoryview | bytes]
"""The bytes of a column, in one or more pieces."""


def fingerprint(
    vocabularies: Iterable[Vocabulary], columns: Iterable[Buffers], more: Buffers
) -> str:
    """Returns a BLAKE2b hash, 32 hexadecimal digits.

    Args:
        vocabularies: those of the users and of the items.
        columns: the columns of the interactions.
        more: further bytes that a model learns from, or that say how the rows are used.
    """
    digest = blake2b(digest_size=16)
    for vocabulary in vocabularies:
        for ids in _bytes_of_ids(vocabulary.ids):
            digest.update(ids)
        digest.update(f"|{len(vocabulary)}|".encode())
    for column in columns:
        for buffer in column:
            digest.update(buffer)
    for buffer in more:
        digest.update(buffer)
    return digest.hexdigest()


def buffers_of(column: np.ndarray | None) -> Buffers:
    """Returns the bytes of a column; those of the word "none" if there is no such column."""
    return [b"none" if column is None else np.ascontiguousarray(column).data]


def _bytes_of_ids(ids: pl.Series) -> Iterator[bytes]:
    """Yields the ids as bytes; text is separated by NUL characters."""
    for start in range(0, len(ids), IDS_PER_BLOCK):
        block = ids[start : start + IDS_PER_BLOCK]
        if ids.dtype == pl.String:
            yield (b"\0" if start else b"") + "\0".join(block).encode()
        else:
            yield block.to_numpy().tobytes()

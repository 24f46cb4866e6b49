"""Short representations of objects for notebooks, debuggers and logs."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

LONGEST_VALUE = 60
"""Maximum number of characters of one value; a longer one is cut off or replaced by its size."""


def short_repr(thing: Any) -> str:
    """Implements `__repr__` for dataclasses and named tuples: every field, large ones by size.

    An array, tensor or series is shown as its shape and dtype, a data frame as its shape, a long
    collection as its length, another dataclass as the name of its class.
    """
    names = thing._fields if hasattr(thing, "_fields") else [f.name for f in fields(thing)]
    return with_values(type(thing).__name__, ((name, getattr(thing, name)) for name in names))


def with_values(name: str, values: Iterable[tuple[str, Any]]) -> str:
    """Returns `Name(one=1, other=…)`, each value in its short form."""
    return f"{name}({', '.join(f'{key}={short(value)}' for key, value in values)})"


def short(value: Any) -> str:
    """Describes a value in at most about sixty characters."""
    if hasattr(value, "shape") and getattr(value, "shape", None) != ():
        size = "×".join(f"{n:,}" for n in value.shape)
        return f"<{size} {getattr(value, 'dtype', type(value).__name__)}>"
    if is_dataclass(value):
        text = repr(value)
        return text if len(text) <= LONGEST_VALUE else f"<{type(value).__name__}>"
    if isinstance(value, Collection) and not isinstance(value, str | bytes):
        return _collection(value)
    if callable(value):
        return f"<{getattr(value, '__qualname__', type(value).__name__)}>"
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _collection(value: Collection[Any]) -> str:
    """Returns the values if they are few and short, otherwise their number."""
    if len(value) <= LONGEST_VALUE // 4:
        if isinstance(value, Mapping):
            text = ", ".join(f"{key!r}: {short(one)}" for key, one in value.items())
        else:
            text = ", ".join(short(one) for one in value)
        if len(text) <= LONGEST_VALUE:
            start, end = _brackets(value)
            return f"{start}{text}{end}"
    return f"<{len(value):,} values>"


def _brackets(value: Collection[Any]) -> tuple[str, str]:
    if isinstance(value, tuple):
        return "(", ")"
    return ("[", "]") if isinstance(value, list) else ("{", "}")

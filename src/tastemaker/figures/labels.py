"""Labels: their length and width."""

from collections.abc import Sequence

from tastemaker.figures.theme import FONT_SIZE


def shortened(label: str, length: int = 24) -> str:
    """Shortens a label for a figure by cutting its middle, since variants differ at their ends."""
    if len(label) <= length:
        return label
    tail = length * 2 // 5
    return f"{label[: length - tail - 1]}…{label[-tail:]}"


def width_of_labels(labels: Sequence[str]) -> float:
    """Returns the assumed width of the longest label in points, with the space beside it."""
    return 16 + max(map(len, labels)) * 0.55 * FONT_SIZE

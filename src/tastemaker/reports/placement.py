"""Placement: positions of the labels of points, so that none covers another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

DISTANCES = (9.0, 14.0, 20.0, 28.0, 37.0, 47.0, 58.0, 70.0)
"""Distances from a point to the nearest side of its label, in pixels; the first free is used."""

DIRECTIONS = np.deg2rad([0, 180, 90, 270, 20, 340, 160, 200, 40, 320, 140, 220, 65, 295, 115, 245])
"""Directions from a point to its label, in radians; the right is preferred."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """Returns the area that both boxes cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)

    def distance(self, point: tuple[float, float]) -> float:
        """Returns the distance from a point to the box; 0 inside."""
        across = max(self.left - point[0], point[0] - self.right, 0.0)
        up = max(self.bottom - point[1], point[1] - self.top, 0.0)
        return float(np.hypot(across, up))

    @property
    def area(self) -> float:
        """Width times height."""
        return (self.right - self.left) * (self.top - self.bottom)


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    area: Box,
    obstacles: Sequence[Box] = (),
) -> list[Box]:
    """Returns a box for each label: near its point, inside the area and without overlaps.

    No box is nearer to another point than to its own. Where there is no such box, the one with the
    least overlap and ambiguity is used.

    Args:
        points: x and y of each labelled point.
        sizes: width and height of each label.
        area: where labels may be placed.
        obstacles: boxes that labels must not cover; the points themselves are added.
    """
    occupied = [*obstacles, *(Box(x - 5, y - 5, x + 5, y + 5) for x, y in points)]
    boxes: list[Box] = []
    for point, size in zip(points, sizes, strict=True):
        costs = {
            box: _cost(box, area, occupied) + _ambiguity(box, point, points)
            for box in _candidates(point, size)
        }
        best = min(costs, key=costs.__getitem__)
        boxes.append(best)
        occupied.append(best)
    return boxes


def stack_labels(preferred: Sequence[float], height: float, low: float, high: float) -> list[float]:
    """Returns places in a column, at least a height apart, as near as possible to those wanted.

    Args:
        preferred: the place of each label if it were alone; the order is kept.
        height: the height of each label.
        low: the lowest place; if there is not enough room, the labels extend beyond `high`.
        high: the highest place.
    """
    order = np.argsort(preferred, kind="stable")
    # Less the height of the labels below, places must only not decrease: isotonic regression.
    blocks: list[list[float]] = []
    for i, label in enumerate(order):
        blocks.append([preferred[label] - i * height])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    positions = np.repeat([np.mean(block) for block in blocks], [len(block) for block in blocks])
    highest = max(low, high - (len(order) - 1) * height)
    places = np.empty(len(order))
    places[order] = positions.clip(low, highest) + np.arange(len(order)) * height
    return [float(place) for place in places]


def _candidates(point: tuple[float, float], size: tuple[float, float]) -> Iterator[Box]:
    """Yields boxes from the nearest to the farthest; `min` takes the first of equally good ones."""
    (x, y), (width, height) = point, size
    for distance in DISTANCES:
        for angle in DIRECTIONS:
            across, up = float(np.cos(angle)), float(np.sin(angle))
            # The label's nearest corner or side lies at that distance.
            left = x + across * distance + width * (across - 1) / 2
            bottom = y + up * distance + height * (up - 1) / 2
            yield Box(left, bottom, left + width, bottom + height)


def _ambiguity(
    box: Box, point: tuple[float, float], points: Sequence[tuple[float, float]]
) -> float:
    """Returns the penalty for a box nearer to another point than to its own: half its area."""
    nearest = min((box.distance(other) for other in points if other != point), default=np.inf)
    return box.area / 2 if nearest < box.distance(point) + 2 else 0.0


def _cost(box: Box, area: Box, occupied: Sequence[Box]) -> float:
    outside = box.area - box.overlap(area)
    return round(4 * outside + sum(box.overlap(other) for other in occupied), 6)

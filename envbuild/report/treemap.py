"""Squarified treemaps: rectangles whose areas are sizes, none long and thin (Bruls, Huizing and van Wijk, 2000)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle, in the units of the drawing."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Width by height."""
        return self.width * self.height

    def inside(self, margin: float, top: float) -> Box:
        """Return the box without a margin all around, and `top` more above."""
        return Box(
            x=self.x + margin,
            y=self.y + margin + top,
            width=max(0.0, self.width - 2 * margin),
            height=max(0.0, self.height - 2 * margin - top),
        )


def squarify(sizes: Sequence[float], box: Box) -> list[Box]:
    """Return one box for each of `sizes` (positive, largest first) that together fill `box`."""
    total = sum(sizes)
    if total <= 0 or box.area <= 0:
        return [Box(x=box.x, y=box.y, width=0.0, height=0.0) for _ in sizes]
    areas = [size * box.area / total for size in sizes]
    found: list[Box] = []
    start = 0
    while start < len(areas):
        end = _row_end(areas, start, min(box.width, box.height))
        row, box = _place(areas[start:end], box)
        found += row
        start = end
    return found


def _row_end(areas: Sequence[float], start: int, side: float) -> int:
    """Return where the row that begins at `start` ends: before the first that would make its worst shape worse."""
    end = start + 1
    while end < len(areas) and _worst(areas[start : end + 1], side) <= _worst(areas[start:end], side):
        end += 1
    return end


def _worst(row: Sequence[float], side: float) -> float:
    total = sum(row)
    if total <= 0 or side <= 0:
        return float("inf")
    return max(side * side * max(row) / total**2, total**2 / (side * side * max(min(row), 1e-12)))


def _place(row: Sequence[float], box: Box) -> tuple[list[Box], Box]:
    """Lay `row` along the shorter side of `box`; return its boxes and what is left of `box`."""
    total = sum(row)
    found = []
    if box.width >= box.height:
        # what is left of a box is known less exactly than the areas
        width = min(total / box.height, box.width) if box.height else 0.0
        y = box.y
        for area in row:
            height = area / total * box.height if total else 0.0
            found.append(Box(x=box.x, y=y, width=width, height=height))
            y += height
        return found, Box(x=box.x + width, y=box.y, width=max(0.0, box.width - width), height=box.height)
    height = min(total / box.width, box.height) if box.width else 0.0
    x = box.x
    for area in row:
        width = area / total * box.width if total else 0.0
        found.append(Box(x=x, y=box.y, width=width, height=height))
        x += width
    return found, Box(x=box.x, y=box.y + height, width=box.width, height=max(0.0, box.height - height))

"""The treemap as SVG: a box for each layer, in it one for each package, each a link that works without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envbuild.formats.diff_text import size_text
from envbuild.report.facts import Entry
from envbuild.report.markup import Html, tag
from envbuild.report.treemap import Box, squarify

WIDTH, HEIGHT = 1200.0, 560.0
_LETTER, _LINE, _TITLE = 7.2, 15.0, 20.0
_SHORTEST = 4
"""Letters; a name cut shorter says nothing."""


def treemap(entries: Sequence[Entry], numbers: dict[tuple[str, str], int]) -> Html | None:
    """Return the drawing of the packages whose size is known; None where none is."""
    groups = _groups(entries)
    if not groups:
        return None
    boxes = squarify([float(size) for _, size, _ in groups], Box(x=0.0, y=0.0, width=WIDTH, height=HEIGHT))
    drawn = [
        _group(layer, size, members, box, numbers) for (layer, size, members), box in zip(groups, boxes, strict=True)
    ]
    names = ", ".join(f"{layer} {size_text(size)}" for layer, size, _ in groups)
    return tag(
        "svg",
        *drawn,
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        role="group",
        aria_label=f"treemap: {names}",
        class_="treemap",
    )


def legend(entries: Sequence[Entry]) -> Html | None:
    """Return what the colours say; None where no package is known to be asked for."""
    if not any(one.requested for one in entries):
        return None
    items = []
    for layer in dict.fromkeys(one.layer for one in sorted(entries, key=lambda one: one.layer)):
        items.append(tag("li", f"{layer}, the definition asks for it", class_=f"{layer}-asked"))
        items.append(tag("li", f"{layer}, another package needs it", class_=layer))
    return tag("ul", *items, class_="legend")


def _groups(entries: Sequence[Entry]) -> list[tuple[str, int, list[Entry]]]:
    layers: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda one: (-(one.size or 0), one.name)):
        if entry.size:
            layers.setdefault(entry.layer, []).append(entry)
    sized = [(layer, sum(one.size or 0 for one in members), members) for layer, members in layers.items()]
    return sorted(sized, key=lambda one: -one[1])


def _group(layer: str, size: int, members: list[Entry], box: Box, numbers: dict[tuple[str, str], int]) -> Html:
    inner = box.inside(2.0, _TITLE)
    boxes = squarify([float(one.size or 0) for one in members], inner)
    title = tag(
        "text",
        f"{layer}: {len(members)} packages, {size_text(size)}",
        x=_n(box.x + 6),
        y=_n(box.y + 15),
        class_="layer",
    )
    frame = _rect(box.inside(1.0, 0.0), "frame")
    shown = box.width > 190 and box.height > _TITLE
    packages = [_package(one, at, numbers[one.key]) for one, at in zip(members, boxes, strict=True)]
    return tag("g", frame, title if shown else None, *packages, class_=f"group {layer}")


def _package(entry: Entry, box: Box, number: int) -> Html:
    label = f"{entry.name} {entry.version}, {size_text(entry.size or 0)}"
    at = box.inside(0.75, 0.0)
    return tag(
        "a",
        tag("title", label),
        _rect(at, "package"),
        *_labels(entry, at),
        href=f"#p{number}",
        class_="asked" if entry.requested else None,
        data_number=number,
        aria_label=label,
    )


def _labels(entry: Entry, box: Box) -> Iterator[Html]:
    """Yield the name, cut where it is too long, and the size below it; nothing where there is no room for either."""
    room = int((box.width - 8) / _LETTER)
    if room < _SHORTEST or box.height < _LINE + 3:
        return
    name = entry.name if len(entry.name) <= room else f"{entry.name[: room - 1]}…"
    yield tag("text", name, x=_n(box.x + 5), y=_n(box.y + _LINE))
    size = size_text(entry.size or 0)
    if len(size) <= room and box.height >= 2 * _LINE + 3:
        yield tag("text", size, x=_n(box.x + 5), y=_n(box.y + 2 * _LINE), class_="small")


def _rect(box: Box, kind: str) -> Html:
    return tag("rect", x=_n(box.x), y=_n(box.y), width=_n(box.width), height=_n(box.height), class_=kind)


def _n(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")

"""A LockDiff for people (text), for a pull request (Markdown) and for programs (JSON)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from envbuild.core.diff import Change, LockDiff, Pin
from envbuild.formats.pip_values import set_only

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_UNITS = ("B", "KiB", "MiB", "GiB")


def diff_text(diff: LockDiff) -> str:
    """Return one line for each change, `+` added, `-` removed, `~` changed, in columns; empty where nothing moved."""
    rows = [_row(one) for one in diff.changes]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [f"~ {one.name}: {one.old or '(none)'} -> {one.new or '(none)'}" for one in diff.facts]
    return "".join(f"{line}\n" for line in (*lines, *([_summary(diff)] if diff else [])))


def _row(change: Change) -> tuple[str, str, str, str]:
    where = f"[{', '.join(change.platforms)}]" if change.platforms else ""
    name = f"{_SIGNS[change.kind]} {change.name}"
    return name, change.manager, versions(change), "  ".join(one for one in (*_details(change), where) if one)


def versions(change: Change) -> str:
    """Return `1.0`, or `1.0 -> 2.0`; builds stand there where the version is the same."""
    old, new = change.old, change.new
    if old is None or new is None:
        known = old or new
        return known.version if known else ""
    if old.version != new.version:
        return f"{old.version} -> {new.version}"
    if old.build != new.build:
        return f"{old.version} ({old.build or 'builds'} -> {new.build or 'builds'})"
    return f"{old.version} ({_same_version(old, new)})"


def _same_version(old: Pin, new: Pin) -> str:
    if old.channel != new.channel and old.channel and new.channel:
        return f"{old.channel} -> {new.channel}"
    return "other files" if old.files != new.files else "other metadata"


def _details(change: Change) -> Iterator[str]:
    old, new = change.old, change.new
    if old is not None and new is not None:
        if old.license != new.license:
            yield f"licence {old.license or 'unknown'} -> {new.license or 'unknown'}"
        if old.size is not None and new.size is not None and old.size != new.size:
            yield size_text(new.size - old.size, signed=True)
    else:
        known = new or old
        yield known.license if known else ""
        yield size_text(known.size) if known and known.size is not None else ""


def size_text(size: int, *, signed: bool = False) -> str:
    """Return a number of bytes for people: `1.5 MiB`; with a sign where it is a difference."""
    number, unit = float(abs(size)), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    text = f"{number:.0f} {_UNITS[unit]}" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"
    sign = "-" if size < 0 else "+" if signed else ""
    return sign + text


def _summary(diff: LockDiff) -> str:
    counts = {"added": len(diff.added), "removed": len(diff.removed), "changed": len(diff.changed)}
    text = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no package moved"
    growth = _growth(diff)
    return f"{text} ({size_text(growth, signed=True)})" if growth else text


def _growth(diff: LockDiff) -> int:
    total = 0
    for one in diff.changes:
        if (one.old is None or one.old.size is not None) and (one.new is None or one.new.size is not None):
            total += (one.new.size or 0 if one.new else 0) - (one.old.size or 0 if one.old else 0)
    return total


def diff_markdown(diff: LockDiff) -> str:
    """Return the diff for a comment on a pull request: a summary and tables that fold away where they are long."""
    if not diff:
        return "The lock did not change.\n"
    lines = [f"**{_summary(diff)}**", ""]
    for title, changes in (("Changed", diff.changed), ("Added", diff.added), ("Removed", diff.removed)):
        lines += _table(title, changes)
    lines += [f"- {one.name}: {_code(one.old)} → {_code(one.new)}" for one in diff.facts]
    return "\n".join(lines).rstrip("\n") + "\n"


def _table(title: str, changes: tuple[Change, ...]) -> list[str]:
    if not changes:
        return []
    rows = [f"| {_code(one.name)} | {one.manager} | {_cell(_arrows(one))} | {_cell(_notes(one))} |" for one in changes]
    table = ["| package | from | version | |", "| --- | --- | --- | --- |", *rows]
    return [
        f"<details{' open' if len(rows) <= 20 else ''}><summary>{title} ({len(rows)})</summary>",
        "",
        *table,
        "",
        "</details>",
        "",
    ]


def _arrows(change: Change) -> str:
    return versions(change).replace("->", "→")


def _notes(change: Change) -> str:
    where = f"only {', '.join(change.platforms)}" if change.platforms else ""
    return "; ".join(one.replace("->", "→") for one in (*_details(change), where) if one)


def _cell(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "\\|")
    return escaped.replace("`", "\\`").replace("@", "&#64;")


def _code(text: str) -> str:
    return f"`{text.replace('`', '').replace('|', '/')}`" if text else "(none)"


def diff_json(diff: LockDiff) -> str:
    """Return the diff as JSON: `changes` (name, manager, kind, platforms, old, new) and `facts` (name, old, new)."""
    changes = [
        set_only(
            {
                "name": one.name,
                "manager": one.manager,
                "kind": one.kind,
                "platforms": list(one.platforms),
                "old": one.old and set_only(asdict(one.old)),
                "new": one.new and set_only(asdict(one.new)),
            }
        )
        for one in diff.changes
    ]
    return (
        json.dumps({"changes": changes, "facts": [asdict(one) for one in diff.facts]}, indent=2, ensure_ascii=False)
        + "\n"
    )

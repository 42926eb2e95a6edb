"""How uv is told that a name comes from an index of its own: as a project's sources, for it reads such pins nowhere else."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace

from envbuild.core.definition import IndexPin
from envbuild.core.lock import PipPackage
from envbuild.solve.uv_question import Question


def with_strayed(question: Question, found: Collection[PipPackage]) -> Question | None:
    """Return the question to ask instead where `found` has a name that is pinned and that only other packages ask for.

    uv looks a name up in an index of its own only where it is asked for directly.
    """
    pinned = {pin.name for pin in question.access.pins}
    strayed = pinned & {one.name for one in found} - _direct(question)
    return replace(question, pinned=question.pinned | strayed) if strayed else None


def has_own_indexes(question: Question) -> bool:
    """Tell whether a name that is asked for is pinned to an index."""
    return any(one.name in _direct(question) for one in question.access.pins)


def own_indexes(question: Question) -> str:
    """Return the part of a `pyproject.toml` that asks for the pinned names; empty where none of them is asked for."""
    pins = [one for one in question.access.pins if one.name in _direct(question)]
    if not pins:
        return ""
    pinned = {one.name for one in pins}
    lines = [str(line) for line in question.asked.lines if line.name in pinned] + sorted(question.pinned)
    names = {url: f"pin-{number}" for number, url in enumerate(dict.fromkeys(one.url for one in pins))}
    head = f'[project]\nname = "envbuild-question"\nversion = "0"\ndependencies = {json.dumps(lines)}\n'
    indexes = [
        f"[[tool.uv.index]]\nname = {json.dumps(name)}\nurl = {json.dumps(url)}\nexplicit = true\n"
        for url, name in names.items()
    ]
    sources = [
        f"{name} = [{', '.join(_source(one, names) for one in pins if one.name == name)}]\n" for name in sorted(pinned)
    ]
    return "".join([head, *indexes, "[tool.uv.sources]\n", *sources])


def _direct(question: Question) -> frozenset[str]:
    return question.pinned | {line.name for line in question.asked.lines}


def _source(pin: IndexPin, names: Mapping[str, str]) -> str:
    marker = f", marker = {json.dumps(pin.marker)}" if pin.marker else ""
    return f"{{ index = {json.dumps(names[pin.url])}{marker} }}"

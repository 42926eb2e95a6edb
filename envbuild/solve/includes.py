"""Files of requirements that a definition names by URL: fetched when it is locked, and at no other time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from envbuild.core.definition import Definition, PipRequirement
from envbuild.core.errors import SolveError
from envbuild.core.progress import Progress

LARGEST = 16 << 20
"""Bytes of one file."""
MOST = 100
"""Files that one definition may name, those that they name in turn among them."""

ParseInclude = Callable[[bytes, str], Definition]
"""Bytes and URL of a requirements file → what it says; raises `DefinitionError`."""
Fetch = Callable[[str], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """All that pip's side is asked: requirements and constraints, none of which is an `include`."""

    requirements: tuple[PipRequirement, ...]
    constraints: tuple[PipRequirement, ...]


def with_includes(
    definition: Definition, parse: ParseInclude | None, *, offline: bool, progress: Progress, fetch: Fetch | None = None
) -> Expanded:
    """Return pip's side of `definition`, the content of every file that it includes by URL in the place of its name.

    Raises:
        SolveError: a file names folders or paths, or there are too many.
        DefinitionError: a file is not understood.
        NetworkError: a file cannot be fetched.
    """
    written = Expanded(requirements=definition.pip, constraints=definition.constraints)
    if not any(one.kind == "include" for one in (*written.requirements, *written.constraints)) or parse is None:
        return written
    reader = _Reader(parse=parse, fetch=fetch or _fetcher(offline=offline), progress=progress)
    reader.add(written, constrain=False)
    return Expanded(requirements=tuple(reader.requirements), constraints=tuple(reader.constraints))


def _fetcher(*, offline: bool) -> Fetch:
    from envbuild.net.http import HttpClient

    client = HttpClient(offline=True) if offline else HttpClient()
    return lambda url: client.get(url, limit=LARGEST)


@dataclass(slots=True, kw_only=True)
class _Reader:
    parse: ParseInclude
    fetch: Fetch
    progress: Progress
    requirements: list[PipRequirement] = field(default_factory=list)
    constraints: list[PipRequirement] = field(default_factory=list)
    read: set[tuple[str, bool]] = field(default_factory=set)

    def add(self, side: Expanded, *, constrain: bool) -> None:
        """Add `side` in its order; with `constrain` its requirements bound others too, as those of a `-c` file do."""
        for one in side.requirements:
            self._one(one, constraint=constrain)
        for one in side.constraints:
            self._one(one, constraint=True)

    def _one(self, one: PipRequirement, *, constraint: bool) -> None:
        if one.kind == "include":
            self._include(one, constraint=constraint)
        elif one not in (kept := self.constraints if constraint else self.requirements):
            kept.append(one)

    def _include(self, one: PipRequirement, *, constraint: bool) -> None:
        if (one.target, constraint) in self.read:
            return
        self.read.add((one.target, constraint))
        if len(self.read) > MOST:
            raise SolveError(one.origin.problem(f"more than {MOST} files are included by URL"))
        with self.progress.step(f"fetch {one.target}"):
            content = self.fetch(one.target)
        found = self.parse(content, one.target)
        problems = [
            inner.origin.problem(f"`{inner.text}` is a path, which a file at a URL cannot mean")
            for inner in (*found.pip, *found.constraints)
            if inner.kind in ("path", "editable")
        ]
        if problems:
            raise SolveError(problems)
        count, digest = len(found.pip) + len(found.constraints), hashlib.sha256(content).hexdigest()
        self.progress.note(f"{one.target}: {count} requirements (sha256 {digest})")
        self.add(Expanded(requirements=found.pip, constraints=found.constraints), constrain=constraint)

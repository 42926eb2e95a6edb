"""What pip's side is asked, line by line: checked for what a lock can hold, before any resolver runs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from envbuild.core.definition import Origin, PipRequirement
from envbuild.core.errors import Problem, SolveError
from envbuild.core.names import normalize
from envbuild.solve.indexes import expand, is_local
from envbuild.solve.options import PipRequest

_VCS = re.compile(r"(?:git|hg|svn|bzr)\+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One requirement as a resolver reads it: `body` has variables and absolute paths; `written` is what the person wrote."""

    body: str
    marker: str
    name: str
    written: str
    origin: Origin

    def __str__(self) -> str:
        return f"{self.body} ; {self.marker}" if self.marker else self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The question in a resolver's words.

    `allowed` are the names that may be taken without a wheel, `built` those that must be. `hashes` are the only ones that
    the definition accepts for a name. `extras` are, by provided name, the extras that are asked of it.
    """

    lines: tuple[Line, ...]
    constraints: tuple[Line, ...]
    allowed: frozenset[str]
    built: frozenset[str]
    hashes: Mapping[str, frozenset[str]]
    extras: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)


def ask(request: PipRequest, environ: Mapping[str, str]) -> Asked:
    """Return what `request` asks.

    Raises:
        SolveError: with every line that a lock cannot hold: a folder, an editable, or code that nobody allowed to run.
    """
    allowed = frozenset(map(normalize, (*request.options.sdist_allowed, *request.index.no_binary))) - {":all:"}
    problems = [*_refused_options(request)]
    for one in (*request.requirements, *request.constraints):
        problems += _refused(one, allowed, Path(request.folder))
    if problems:
        raise SolveError(problems)
    sources = (one.name for one in request.requirements if one.kind != "name" and not is_wheel(one.target))
    return Asked(
        lines=tuple(_line(one, request, environ) for one in request.requirements),
        constraints=tuple(_line(one, request, environ) for one in request.constraints),
        allowed=allowed,
        built=frozenset((*sources, *map(normalize, request.index.no_binary))),
        hashes=_hashes(request.requirements),
    )


def is_wheel(target: str) -> bool:
    """Tell whether the URL or path `target` is a wheel's."""
    return urlsplit(target).path.endswith(".whl")


def local_path(target: str, folder: Path) -> Path | None:
    """Return the path that `target` (a path or a `file:` URL) stands for, or None where it is elsewhere."""
    if target.startswith("file:"):
        return Path(unquote(urlsplit(target).path))
    return folder / target if is_local(target) else None


def _line(one: PipRequirement, request: PipRequest, environ: Mapping[str, str]) -> Line:
    extras = f"[{','.join(one.extras)}]" if one.extras else ""
    if one.kind == "name":
        body = f"{one.name}{extras}{one.specifier}"
    else:
        path = local_path(one.target, Path(request.folder))
        target = path.resolve().as_uri() if path is not None else expand(one.target, environ)
        body = f"{one.name}{extras} @ {target}" if one.name else target
    return Line(body=body, marker=one.marker, name=one.name, written=one.text, origin=one.origin)


def _hashes(requirements: Iterable[PipRequirement]) -> dict[str, frozenset[str]]:
    return {one.name: frozenset(one.hashes) for one in requirements if one.hashes and one.name}


def _refused_options(request: PipRequest) -> Iterator[Problem]:
    if ":all:" in request.index.no_binary:
        yield Problem(
            message="--no-binary :all: would run the build code of every distribution",
            hint="name those that must be built from source: --no-binary NAME",
        )


def _refused(one: PipRequirement, allowed: frozenset[str], folder: Path) -> Iterator[Problem]:
    path = local_path(one.target, folder) if one.kind in ("path", "url") else None
    if one.kind == "editable" and _VCS.match(one.target):
        yield one.origin.problem(
            f"`{one.text}` is to be edited in place, which a lock cannot pin",
            hint=f"write it without -e; then {_allowing(one)}",
        )
    elif one.kind == "editable" or (path is not None and path.is_dir()):
        yield one.origin.problem(
            f"`{one.text}` is a folder of source code, which a lock cannot pin",
            hint="build a wheel of it and write the wheel's path: pip wheel --no-deps -w wheels FOLDER",
        )
    elif path is not None and not path.is_file():
        yield one.origin.problem(f"`{one.text}`: there is no file {os.path.normpath(path)}")
    elif one.kind == "vcs" and one.name not in allowed:
        yield one.origin.problem(
            f"`{one.text}` comes from version control: to read what it needs runs its own build code",
            hint=f"{_allowing(one)}, or build a wheel of it and write the wheel's path",
        )
    elif one.kind in ("url", "path") and not is_wheel(one.target) and one.name not in allowed:
        yield one.origin.problem(
            f"`{one.text}` is no wheel: to read what it needs runs its own build code",
            hint=f"{_allowing(one)}, or build a wheel of it and write the wheel's path",
        )


def _allowing(one: PipRequirement) -> str:
    """Return how the build code of `one` may be allowed to run, in words; what has no name has to get one first."""
    if one.name:
        return f"allow it by name: --allow-sdist {one.name}"
    name = normalize(urlsplit(one.target).path.rsplit("/", 1)[-1].partition("@")[0].partition(".git")[0]) or "NAME"
    return f"write `{name} @ {one.target}` and allow it by name: --allow-sdist {name}"

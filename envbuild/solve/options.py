"""What a person may say about a solve, and the question that the pip side is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from envbuild.core.definition import IndexOptions, PipRequirement
from envbuild.core.errors import Problem, SolveError
from envbuild.core.lock import PipPackage
from envbuild.core.platforms import DEFAULT_GLIBC

CondaSolver = Literal["rattler", "conda-lock"]
PipResolver = Literal["uv", "pip-tools"]

PYTHON = "python"
"""The name that stands for the interpreter among what pip's side wants; no distribution is called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveOptions:
    """The wishes of one `lock`. `update` holds names that may move; all else of a previous lock stays where it can.

    `exclude_newer` is RFC 3339. `mirrors` maps a channel's canonical URL to URLs that are asked instead; the lock keeps the
    canonical one. `sdist_allowed` names the distributions that may be locked without a wheel.
    `attestations` is `verify` or `require`: what is wished of every distribution, at least (PEP 740).
    """

    platforms: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    update_all: bool = False
    update_base: bool = False
    exclude_newer: str = ""
    solver: CondaSolver = "rattler"
    pip_resolver: PipResolver = "uv"
    virtual_packages: tuple[str, ...] = ()
    sdist_allowed: tuple[str, ...] = ()
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    offline: bool = False
    attestations: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipRequest:
    """What the pip side is to answer, for one platform or (`platforms` empty) for all at once with markers.

    `provided` are normalised names and versions that conda or the base already has: fixed points, not to be installed.
    `previous` are packages to keep while they still fit. `folder` is where relative paths in requirements start.
    `pythons` are those (`3.11`) that may be proposed instead of `python`, the best first.
    """

    requirements: tuple[PipRequirement, ...]
    python: str
    constraints: tuple[PipRequirement, ...] = ()
    index: IndexOptions = field(default_factory=IndexOptions)
    platforms: tuple[str, ...] = ()
    glibc: tuple[int, int] = DEFAULT_GLIBC
    provided: Mapping[str, str] = field(default_factory=dict)
    previous: tuple[PipPackage, ...] = ()
    folder: str = "."
    pythons: tuple[str, ...] = ()
    options: SolveOptions = SolveOptions()


class PipConflictError(SolveError):
    """The pip side cannot accept what is provided.

    Attributes:
        wanted: for each provided name in the conflict, the version that pip's side would take if it were free ("" unknown);
            for PYTHON the first two numbers of an interpreter that would do.
    """

    def __init__(self, problems: tuple[Problem, ...], wanted: Mapping[str, str]) -> None:
        """Keep what the conda side needs to try again."""
        self.wanted = dict(wanted)
        super().__init__(problems)

    def __reduce__(self) -> tuple[type[PipConflictError], tuple[tuple[Problem, ...], dict[str, str]]]:  # type: ignore[override]
        return type(self), (self.problems, self.wanted)

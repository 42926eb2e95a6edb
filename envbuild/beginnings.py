"""The definitions that a folder holds already, the one that says most first: what `envbuild init` starts from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from envbuild.core.definition import Definition
from envbuild.core.errors import DefinitionError, EnvbuildError, Problem
from envbuild.read.kinds import IN_FOLDER, Kind, detect_kind

# an Azure or MLflow file names its conda file, and says more than that
_ORDER: tuple[Kind, ...] = (
    "azure-v1",
    "mlmodel",
    "azure-v2",
    "azure-v1-run",
    "azure-v1-inference",
    "conda",
    "pixi",
    "pyproject",
    "requirements",
    "pipfile",
    "setup.cfg",
    "mlproject",
    "python-env",
    "dockerfile",
)
_NAMED = frozenset({*IN_FOLDER, "setup.cfg", "python_env.yaml"})
_MAYBE = re.compile(
    r".*\.(?:ya?ml|json|runconfig)|.*requirements.*\.(?:txt|in)|.*dockerfile.*|containerfile", re.IGNORECASE
)
# what a YAML or JSON file of another name has to say to be taken for a definition
_SAYS_SO = re.compile(
    rb"azuremlschemas|conda_?file|^dependencies\s*:|baseImage|^\s*environment\s*:", re.MULTILINE | re.IGNORECASE
)
_LARGEST = 1 << 20
_DEPTH, _MOST = 3, 5
_NOT_SEARCHED = frozenset({"node_modules", "site-packages", "__pycache__", "build", "dist", "venv"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A file of the folder that defines an environment, understood."""

    name: str
    kind: Kind
    definition: Definition


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginnings:
    """What was understood, the best first, and why the rest was not, by file."""

    usable: tuple[Beginning, ...]
    problems: Mapping[str, tuple[Problem, ...]]


def find_beginnings(folder: Path) -> Beginnings:
    """Return the definitions that stand in `folder` itself.

    Raises:
        DefinitionError: `folder` cannot be listed.
    """
    from envbuild.api import read_definition

    usable: list[Beginning] = []
    problems: dict[str, tuple[Problem, ...]] = {}
    for name, kind in sorted(_candidates(folder), key=_rank):
        try:
            usable.append(Beginning(name=name, kind=kind, definition=read_definition(folder / name)))
        except EnvbuildError as error:  # noqa: PERF203 - what is not understood must not hide the rest
            problems[name] = error.problems
    return Beginnings(usable=tuple(usable), problems=problems)


def _candidates(folder: Path) -> Iterator[tuple[str, Kind]]:
    try:
        files = [one for one in folder.iterdir() if one.is_file() and not one.name.startswith(".")]
    except OSError as error:
        raise DefinitionError(Problem(message=f"cannot be listed: {error.strerror}", file=str(folder))) from error
    for path in files:
        named = path.name in _NAMED
        if not named and not (_MAYBE.fullmatch(path.name) and path.stat().st_size <= _LARGEST):
            continue
        try:
            kind = detect_kind(path)
            if kind in _ORDER and (named or _is_meant(path, kind)):
                yield path.name, kind
        except (EnvbuildError, OSError):
            # one of another name that is no text is somebody else's
            if named:
                raise


def _is_meant(path: Path, kind: Kind) -> bool:
    return kind in ("requirements", "dockerfile") or _SAYS_SO.search(path.read_bytes()) is not None


def _rank(one: tuple[str, Kind]) -> tuple[int, int, str]:
    name, kind = one
    return _ORDER.index(kind), IN_FOLDER.index(name) if name in IN_FOLDER else len(IN_FOLDER), name


def folders_below(folder: Path) -> tuple[str, ...]:
    """Return some folders not far below `folder` that hold a definition under its usual name."""
    found: list[str] = []
    for place, folders, names in os.walk(folder):
        path = Path(place).relative_to(folder)
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one not in _NOT_SEARCHED)
        if len(path.parts) >= _DEPTH:
            folders.clear()
        if "Dockerfile" in names and "envbuild" in folders:
            # a context that envbuild wrote
            folders.clear()
        elif path.parts and not _NAMED.isdisjoint(names):
            found.append(str(path))
        if len(found) == _MOST:
            break
    return tuple(found)

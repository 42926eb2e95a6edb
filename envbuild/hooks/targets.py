"""Which environments a set of changed files bears on. Either file can drift, so both lead to the same pair of them.

Imports next to nothing: where nothing changed, all of the time that a hook takes is spent here.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from envbuild.core.errors import DefinitionError, Problem
from envbuild.formats.header import Header, read_header
from envbuild.lockfile import find_lock, lock_name, read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOCK = re.compile(r"(?:conda-lock(?:\.(?P<conda>.+))?\.yml|pylock(?:\.(?P<pip>[^.]+))?\.toml)")
"""The names that envbuild gives to locks."""

DEFINITION = re.compile(
    r"(?:environment|conda)[^/]*\.ya?ml|requirements[^/]*\.(?:txt|in)|pyproject\.toml|pixi\.toml|Pipfile"
    r"|azureml_environment\.json|MLmodel"
)
"""The names of files that define an environment, as `.pre-commit-hooks.yaml` lists them; locks are taken first."""

# of several files that a lock was made from, these include the others
_PRINCIPAL = ("azureml_environment.json", "MLmodel", "MLproject", "pyproject.toml", "pixi.toml")
_PACKAGES = ("dependencies", "pip", "requirements", "conda-file", "extras", "groups", "project")
_NOT_SEARCHED = {"node_modules", "site-packages", "__pycache__", "build", "dist", "venv"}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Target:
    """One environment: its definition, its name where that file has several, and its lock where there is one."""

    definition: Path
    environment: str = ""
    lock: Path | None = None

    @property
    def name(self) -> str:
        """The `<name>` in the lock's file name."""
        return locked_name(self.lock) if self.lock is not None else lock_name(self.definition, self.environment)

    @property
    def is_service(self) -> bool:
        """Whether the lock is that of a service, which `envbuild package` derives from the definition."""
        return self.name == "service" or self.name.endswith("-service")

    def words(self) -> str:
        """Return how a command line names it."""
        chosen = f" --environment {self.environment}" if self.environment else ""
        return f"{self.definition}{chosen}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The environments that some files bear on, and locks whose definition is gone."""

    targets: tuple[Target, ...]
    problems: tuple[Problem, ...] = ()


def find_targets(files: Iterable[Path]) -> Found:
    """Return the environments that `files` (definitions, what they include, locks) bear on, each once, sorted."""
    search = _Search()
    for file in files:
        search.add(file)
    return Found(targets=tuple(sorted(search.targets, key=_order)), problems=tuple(search.problems))


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the definitions and locks below `folder`, hidden folders and installed packages left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one not in _NOT_SEARCHED)
        for name in sorted(names):
            if LOCK.fullmatch(name) or DEFINITION.fullmatch(name):
                yield Path(place, name)


def locked_name(lock: Path) -> str:
    """Return `<name>` of a lock's file name, empty where it has none."""
    found = LOCK.fullmatch(lock.name)
    return (found["conda"] or found["pip"] or "") if found else ""


def _is_rendered(file: Path) -> bool:
    """Tell whether `file` is part of a build context that envbuild wrote: what stands there follows from a lock."""
    for folder in file.parents:
        if folder.name == "envbuild" and (folder.parent / "Dockerfile").is_file():
            return not (folder / "__init__.py").exists()
    return False


def _order(target: Target) -> tuple[str, str, str]:
    return str(target.definition), target.environment, str(target.lock or "")


class _Folder:
    """The locks of one folder with their headers, read once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def locks(self) -> dict[Path, Header]:
        names = [*self.path.glob("conda-lock*.yml"), *self.path.glob("pylock*.toml")]
        return {one: read_header(read_text(one)) for one in sorted(names) if LOCK.fullmatch(one.name)}

    def made_from(self, relative: str) -> Iterator[Path]:
        """Yield the locks that were made from the file `relative`, among others."""
        for lock, header in self.locks.items():
            if relative in dict(header.sources):
                yield lock


class _Search:
    def __init__(self) -> None:
        self.targets: set[Target] = set()
        self.problems: list[Problem] = []
        self._folders: dict[Path, _Folder] = {}
        self._seen: set[Path] = set()

    def add(self, file: Path) -> None:
        if _is_rendered(file):
            return
        if LOCK.fullmatch(file.name):
            self._add_lock(file)
            return
        locks = [lock for folder, name in self._places(file) for lock in folder.made_from(name)]
        for lock in locks:
            self._add_lock(lock)
        if file.name == "pyproject.toml":
            self._add_project(file)
        elif not locks and DEFINITION.fullmatch(file.name):
            self.targets.add(Target(definition=file, lock=find_lock(file)))

    def _folder(self, path: Path) -> _Folder:
        return self._folders.setdefault(path, _Folder(path))

    def _places(self, file: Path) -> Iterator[tuple[_Folder, str]]:
        """Yield the folders whose locks may record `file`, and its name there: its own, and those above it."""
        # of a relative path the last parent is the current folder, where a repository ends
        above = [file.parent] if file.is_absolute() else file.parents
        for folder in above:
            yield self._folder(folder), file.relative_to(folder).as_posix()

    def _add_lock(self, lock: Path) -> None:
        if lock in self._seen:
            return
        self._seen.add(lock)
        header = self._folder(lock.parent).locks.get(lock) or read_header(read_text(lock))
        name = locked_name(lock)
        found = _definition_of(lock, [path for path, _ in header.sources], name)
        if found is None:
            return
        if not found.definition.is_file():
            message = f"was made from {found.definition.name}, which is not there"
            self.problems.append(Problem(message=message, file=str(lock), hint=f"remove {lock}, or bring it back"))
        else:
            self.targets.add(found)

    def _add_project(self, file: Path) -> None:
        for name in _environments(file):
            target = Target(definition=file, environment=name, lock=find_lock(file, name))
            if target.lock is None:
                self.targets.add(target)
            else:
                self._add_lock(target.lock)


def _definition_of(lock: Path, sources: list[str], name: str) -> Target | None:
    """Return what `lock` was made from, as its header says; None where another tool wrote it for something else."""
    if not sources:
        return next(
            (
                Target(definition=one, lock=lock)
                for one in sorted(lock.parent.iterdir())
                if DEFINITION.fullmatch(one.name) and one.name != "pyproject.toml" and find_lock(one) == lock
            ),
            None,
        )
    definition = next((one for one in _PRINCIPAL if one in sources), None) or next(
        (one for one in sources if lock_name(Path(one)) == _without_service(name)), sources[0]
    )
    # a project.toml has its own name in the lock's, and no environment of that name
    several = definition.endswith(".toml") and _without_service(name) not in ("", lock_name(Path(definition)))
    return Target(
        definition=lock.parent / definition,
        environment=_written_name(lock.parent / definition, _without_service(name)) if several else "",
        lock=lock,
    )


def _written_name(definition: Path, name: str) -> str:
    """Return the environment as the file calls it: a lock's name has `-` for what PEP 751 forbids there."""
    if definition.name != "pyproject.toml" or not definition.is_file():
        return name
    return next((one for one in _environments(definition) if lock_name(definition, one) == name), name)


def _without_service(name: str) -> str:
    return "" if name == "service" else name.removesuffix("-service")


def _environments(file: Path) -> tuple[str, ...]:
    """Return the environments of a pyproject.toml that need a lock, the unnamed one as an empty name.

    Raises:
        DefinitionError: it cannot be read, or is not TOML.
    """
    try:
        names = _declared(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DefinitionError(Problem(message=f"cannot be read: {error}", file=str(file))) from error
    if names is None:
        return ("",) if find_lock(file) is not None else ()
    return names


@lru_cache(maxsize=8)
def _declared(text: str) -> tuple[str, ...] | None:
    """Return what `[tool.envbuild]` declares, None where there is no such table; asked once for each lock of a file."""
    tool = tomllib.loads(text).get("tool")
    table = tool.get("envbuild") if isinstance(tool, dict) else None
    if not isinstance(table, dict):
        return None
    named = table.get("environments")
    names = tuple(named) if isinstance(named, dict) else ()
    alone = not names or any(key in table for key in _PACKAGES)
    return ("", *names) if alone else names

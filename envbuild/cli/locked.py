"""The lock that a command line means: one that is named, or that of the definition that is named."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.cli.arguments import definition_or_default

if TYPE_CHECKING:
    from envbuild.core.lock import Lock


def find(path: Path | None, environment: str) -> tuple[Path, Path | None]:
    """Return the lock's file, and the definition that it is of; None where the lock itself is named.

    Raises:
        DefinitionError: nothing is named and nothing is here, or what is named is not there.
        LockError: the definition has no lock.
    """
    from envbuild.core.errors import DefinitionError, LockError, Problem
    from envbuild.formats.detect import lock_format
    from envbuild.lockfile import find_lock, read_text

    named = definition_or_default(path)
    if not named.exists():
        raise DefinitionError(Problem(message="cannot be read: No such file or directory", file=str(named)))
    found = find_lock(named, environment)
    if found is not None and found != named:
        return found, named
    if named.is_file() and lock_format(read_text(named), named.name):
        return named, None
    chosen = f" --environment {environment}" if environment else ""
    raise LockError(
        f"{named} has no lock{chosen and f' for {environment}'}", hint=f"run `envbuild lock {named}{chosen}`"
    )


def load(path: Path | None, environment: str) -> tuple[Lock, Collection[str]]:
    """Return the lock, and what its definition asks for by name; nothing where the lock itself is named.

    Raises:
        DefinitionError, LockError: as `find`, or one of both is not understood.
    """
    from envbuild.api import read_definition
    from envbuild.lockfile import load_lock

    file, definition = find(path, environment)
    if definition is None:
        return load_lock(file), ()
    asked = read_definition(definition, environment)
    return load_lock(file), {one.name for one in asked.conda} | {one.name for one in asked.pip}


def platform_of(name: str, lock: Lock) -> str:
    """Return the platform called `name` in any of its spellings, or the lock's first.

    Raises:
        EnvbuildError: there is no such platform, or the lock is not for it.
    """
    from envbuild.core.errors import LockError
    from envbuild.core.platforms import parse_platform

    if not name:
        return lock.platforms[0]
    found = parse_platform(name).subdir
    if found not in lock.platforms:
        raise LockError(f"the lock is for {', '.join(lock.platforms)}, not for {found}")
    return found

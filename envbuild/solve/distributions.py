"""What both pip resolvers' answers go through: which files are kept, and how they are named in a lock."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from packaging.tags import compatible_tags, cpython_tags

from envbuild.core.errors import IntegrityError, SolveError
from envbuild.core.lock import PipFile, PipPackage


def python_minor(version: str) -> tuple[int, int]:
    """Return the first two numbers of a Python `version` (`3.11`, `3.11.9`).

    Raises:
        SolveError: it is no version.
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        raise SolveError(f"Python {version!r} is no version; two numbers are expected, 3.11 for example")
    return int(found[1]), int(found[2])


def for_interpreter(wheels: Iterable[PipFile], minor: tuple[int, int]) -> tuple[PipFile, ...]:
    """Return the wheels that CPython `minor` takes on some platform, sorted; all of them where it takes none."""
    every = sorted(wheels, key=lambda one: one.filename)
    kept = [one for one in every if takes(minor, one.filename)]
    return tuple(kept or every)


def takes(minor: tuple[int, int], wheel: str) -> bool:
    """Tell whether CPython `minor` takes the file `wheel` on some platform."""
    return not _interpreter_tags(minor).isdisjoint(_tags(wheel))


def only_hashes(package: PipPackage, accepted: frozenset[str]) -> PipPackage:
    """Return `package` with the files whose hash (`sha256:…`) the definition accepts; without any wish, with all.

    Raises:
        IntegrityError: no file has one.
    """
    if not accepted:
        return package

    def fits(file: PipFile | None) -> bool:
        return file is not None and any(f"{name}:{digest}" in accepted for name, digest in file.hashes)

    kept = replace(
        package,
        wheels=tuple(one for one in package.wheels if fits(one)),
        sdist=package.sdist if fits(package.sdist) else None,
        archive=package.archive if fits(package.archive) else None,
    )
    if not any(kept.files):
        raise IntegrityError(
            f"no file of {package.name} {package.version} has a hash that the definition accepts",
            hint=f"check the --hash options of {package.name}",
        )
    return kept


def within(packages: Iterable[PipPackage]) -> tuple[PipPackage, ...]:
    """Return `packages` sorted, their dependencies limited to names of packages that are there."""
    every = sorted(packages, key=lambda one: (one.name, one.version, one.marker))
    present = {one.name for one in every}
    return tuple(
        replace(one, dependencies=tuple(name for name in one.dependencies if name in present and name != one.name))
        for one in every
    )


def relative(path: str, folder: Path) -> str:
    """Return `path` as a lock in `folder` writes it, with forward slashes."""
    return Path(os.path.relpath(path, folder.resolve())).as_posix()


def _tags(filename: str) -> set[tuple[str, str]]:
    parts = filename.removesuffix(".whl").split("-")
    if len(parts) < 5:
        return set()
    return {(python, abi) for python in parts[-3].split(".") for abi in parts[-2].split(".")}


@functools.cache
def _interpreter_tags(minor: tuple[int, int]) -> frozenset[tuple[str, str]]:
    own = f"cp{minor[0]}{minor[1]}"
    tags = [*cpython_tags(minor, platforms=["any"]), *compatible_tags(minor, own, ["any"])]
    return frozenset((tag.interpreter, tag.abi) for tag in tags)

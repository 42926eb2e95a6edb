"""The installers that a Dockerfile uses, pinned at the versions that envbuild itself runs with and hashed like everything else."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from envbuild import files
from envbuild.core.definition import IndexOptions, PipRequirement
from envbuild.core.errors import EnvbuildError
from envbuild.core.keys import canonical, sha256
from envbuild.core.lock import PipFile, PipPackage
from envbuild.core.progress import SILENT, Progress
from envbuild.solve.frame import version_of
from envbuild.solve.options import PipRequest, SolveOptions

PIP_INSTALLER = "uv"
CONDA_INSTALLER = "py-rattler"


def lock_tools(
    python: str, index: IndexOptions, options: SolveOptions, progress: Progress, *, conda: bool = False
) -> tuple[PipPackage, ...]:
    """Return `uv`, and with `conda` `py-rattler` too, for Python `python` on Linux: exact, every wheel with its hash.

    Nothing is returned where they cannot be found (an old Python, an index that has them not, no network); a note says so, and
    a Dockerfile then uses the pip of its virtual environment. The answer is kept in the cache: one question to the index per
    version of a tool.
    """
    names = [PIP_INSTALLER, *([CONDA_INSTALLER] if conda else [])]
    pins = [_pin(name) for name in names]
    place = _place(python, index, pins)
    kept = _read(place)
    if kept is not None:
        return kept
    from envbuild.solve.pip import resolve_pip

    # only py-rattler can install conda packages, so the default index is asked where the definition's own has it not
    places = [index, *([IndexOptions()] if conda and index != IndexOptions() else [])]
    found: tuple[PipPackage, ...] = ()
    reason = ""
    for one in places:
        try:
            found = resolve_pip(_question(python, one, options, pins), SILENT)
            break
        except EnvbuildError as error:
            reason = error.problems[0].message.splitlines()[0]
    else:
        progress.note(f"{', '.join(pins)} cannot be pinned ({reason}): a Dockerfile installs with its base's own pip")
        return ()
    packages = tuple(_for_linux(one) for one in found)
    files.write_atomic(place, json.dumps([dataclasses.asdict(one) for one in packages]))
    return packages


def _pin(name: str) -> str:
    module = {CONDA_INSTALLER: "rattler"}.get(name, name)
    return f"{name}=={version_of(module, name).rpartition(' ')[2]}"


def _question(python: str, index: IndexOptions, options: SolveOptions, pins: Sequence[str]) -> PipRequest:
    requirements = tuple(
        PipRequirement(text=pin, name=pin.partition("==")[0], specifier=f"=={pin.partition('==')[2]}") for pin in pins
    )
    # the pins are exact: neither a cutoff nor an update can change the answer, only break it
    return PipRequest(
        requirements=requirements, python=python, index=index, options=SolveOptions(offline=options.offline)
    )


def _for_linux(package: PipPackage) -> PipPackage:
    wheels = tuple(one for one in package.wheels if "linux" in one.filename or one.filename.endswith("-any.whl"))
    return replace(package, wheels=wheels, sdist=None)


def _place(python: str, index: IndexOptions, pins: Sequence[str]) -> Path:
    minor = ".".join(python.split(".")[:2])
    where = [index.index_url or os.environ.get("ENVBUILD_INDEX_URL", ""), *index.extra_index_urls, *index.find_links]
    key = sha256(canonical([minor, list(pins), where, index.no_index]))
    return files.cache_root() / "tools" / f"{key}.json"


def _read(place: Path) -> tuple[PipPackage, ...] | None:
    try:
        return tuple(_package(one) for one in json.loads(place.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None  # not there, or of another release of envbuild: it is asked again


def _package(data: dict[str, Any]) -> PipPackage:
    wheels = tuple(_file(one) for one in data["wheels"])
    return PipPackage(
        **{**data, "wheels": wheels, "dependencies": tuple(data["dependencies"]), "platforms": tuple(data["platforms"])}
    )


def _file(data: dict[str, Any]) -> PipFile:
    return PipFile(**{**data, "hashes": tuple((name, digest) for name, digest in data["hashes"])})

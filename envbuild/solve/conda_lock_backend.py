"""`--solver conda-lock`: the conda side answered by the conda-lock package, which asks a conda, mamba or micromamba."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from envbuild.core.definition import CondaSpec
from envbuild.core.errors import SolveError
from envbuild.core.lock import CondaPackage
from envbuild.programs import ProgramError, find, run
from envbuild.solve.channels import expand_channels
from envbuild.solve.conda import CondaAnswer, CondaRequest
from envbuild.solve.conda_worker import without_secrets
from envbuild.solve.conflict import expanded, indented, written
from envbuild.solve.options import SolveOptions

_PROGRAMS = ("micromamba", "mamba", "conda")


class CondaLockSolver:
    """Answers as `CondaSolver` does. It keeps nothing of a previous lock and knows no cutoff, mirrors or offline mode."""

    def __init__(self) -> None:
        """Find the program that conda-lock asks.

        Raises:
            SolveError: this machine has none.
        """
        program = os.environ.get("CONDA_EXE") or next(filter(None, map(find, _PROGRAMS)), None)
        if program is None:
            raise SolveError(
                "the solver conda-lock needs a conda, mamba or micromamba on PATH, and there is none",
                hint="install one of them, or leave out --solver conda-lock: the default solver needs none",
            )
        self._program = program

    def __enter__(self) -> CondaLockSolver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing runs between two solves."""

    def open(self, options: SolveOptions, folder: Path) -> None:
        """Refuse what this solver cannot do.

        Raises:
            SolveError: mirrors, offline mode or a cutoff are asked for.
        """
        refused = {"--offline": options.offline, "mirrors": options.mirrors, "--exclude-newer": options.exclude_newer}
        for name, value in refused.items():
            if value:
                raise SolveError(f"the solver conda-lock does not know {name}", hint="use the default solver")
        del folder

    def solve(
        self, requests: Sequence[CondaRequest], advance: Callable[[str], None] = lambda _platform: None
    ) -> tuple[CondaAnswer, ...]:
        """Answer all `requests`, by one run of conda-lock for those that have the same specs.

        Raises:
            SolveError: conda-lock found no answer; its last lines are shown.
        """
        locked = {specs: self._lock([one for one in requests if one.specs == specs]) for specs in _all_specs(requests)}
        for one in requests:
            advance(one.platform)
        return tuple(_answer(one.platform, locked[one.specs]) for one in requests)

    def _lock(self, requests: Sequence[CondaRequest]) -> list[Mapping[str, Any]]:
        """Run conda-lock for `requests`, which have the same specs."""
        first = requests[0]
        with tempfile.TemporaryDirectory(prefix="envbuild-conda-lock-") as name:
            folder = Path(name)
            (folder / "environment.yml").write_text(json.dumps(_environment(first)), "utf-8")
            (folder / "virtual-packages.yml").write_text(json.dumps(_virtual(requests)), "utf-8")
            try:
                run(_command(self._program, [one.platform for one in requests]), cwd=folder)
            except ProgramError as error:
                raise _failure(first, error) from error
            return _read(folder / "conda-lock.yml")


def _all_specs(requests: Sequence[CondaRequest]) -> list[tuple[CondaSpec, ...]]:
    return list(dict.fromkeys(one.specs for one in requests))


def _command(program: str, platforms: Sequence[str]) -> list[str]:
    command = [sys.executable, "-m", "conda_lock", "lock", "--conda", program, "--kind", "lock", "--strip-auth"]
    command += ["--file", "environment.yml", "--lockfile", "conda-lock.yml"]
    command += ["--virtual-package-spec", "virtual-packages.yml"]
    return command + [part for platform in platforms for part in ("--platform", platform)]


def _environment(request: CondaRequest) -> dict[str, object]:
    channels = expand_channels(request.channels, request.platform)
    # conda-lock knows no constraints; these are of packages that the environment has anyway
    return {"channels": list(channels), "dependencies": [*map(expanded, request.specs), *request.constraints]}


def _virtual(requests: Sequence[CondaRequest]) -> dict[str, object]:
    subdirs = {}
    for one in requests:
        packages = {}
        for text in one.virtual_packages:
            name, version, build = text.split("=")
            packages[name] = version if build == "0" else f"{version} {build}"
        subdirs[one.platform] = {"packages": packages}
    return {"subdirs": subdirs}


def _failure(request: CondaRequest, error: ProgramError) -> SolveError:
    said = "\n".join((error.completed.stderr or error.completed.stdout).strip().splitlines()[-20:])
    lines = ["conda-lock found no answer for", *(f"    {line}" for line in written(request.specs)), "  it says"]
    return SolveError("\n".join([*lines, indented(without_secrets(said))]))


def _read(path: Path) -> list[Mapping[str, Any]]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load(path.read_text("utf-8"), Loader=loader)  # noqa: S506  (it is the safe loader)
    packages: list[Mapping[str, Any]] = document["package"]
    return packages


def _answer(platform: str, locked: Sequence[Mapping[str, Any]]) -> CondaAnswer:
    packages = [_package(one) for one in locked if one["platform"] == platform and one["manager"] == "conda"]
    return CondaAnswer(platform=platform, packages=tuple(sorted(packages, key=lambda one: one.name)))


def _package(entry: Mapping[str, Any]) -> CondaPackage:
    url = without_secrets(str(entry["url"]))
    base, subdir, filename = url.rsplit("/", 2)
    build = filename.removesuffix(".tar.bz2").removesuffix(".conda").rsplit("-", 1)[-1]
    number = re.search(r"(\d+)$", build)
    needs = {str(name): str(version or "") for name, version in entry["dependencies"].items()}
    noarch = ("python" if "python" in needs else "generic") if subdir == "noarch" else ""
    return CondaPackage(
        name=str(entry["name"]),
        version=str(entry["version"]),
        build=build,
        platform=str(entry["platform"]),
        subdir=subdir,
        channel=base,
        url=url,
        md5=str(entry["hash"].get("md5") or ""),
        sha256=str(entry["hash"].get("sha256") or ""),
        build_number=int(number[1]) if number else 0,
        depends=tuple(sorted(f"{name} {version}".strip() for name, version in needs.items())),
        noarch=noarch,
    )

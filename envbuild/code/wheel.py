"""The wheel of a folder of source code: built by the backend that the folder names, in an environment of its own, and kept in the cache."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.utils import parse_wheel_filename

from envbuild import files, programs
from envbuild.code.repacked import repacked
from envbuild.code.sources import sources_hash
from envbuild.core.definition import CodeFolder
from envbuild.core.errors import PlanError
from envbuild.core.keys import canonical, sha256
from envbuild.core.lock import PipFile, PipPackage
from envbuild.core.plan import Code
from envbuild.core.progress import SILENT, Progress
from envbuild.licenses import wheel_license
from envbuild.net.clean import clean_environment

_FORMAT = 1
_EPOCH = "315532800"
_OUTSIDE = "[build]\nbuild_base = {0}/build\n[egg_info]\negg_base = {0}\n"
"""setuptools' own words for where it leaves what it makes on the way: else it leaves it among the sources, and finds it again."""

_WITHOUT = "leave it out with --no-code, or code = false under [tool.envbuild.image]"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequirements:
    """Where the requirements of a backend come from: uv's variables for the indexes, its options, and what must not be shown."""

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: tuple[str, ...] = ()
    safe: Callable[[str], str] = str


def code_of(
    folder: CodeFolder,
    root: Path,
    *,
    requirements: Callable[[], BuildRequirements] = BuildRequirements,
    cutoff: str = "",
    progress: Progress = SILENT,
) -> Code:
    """Return the code of `folder`, whose path starts at `root`: its wheel from the cache where no file changed, else built now.

    `requirements` is asked only where something is built; of what its backend needs nothing newer than `cutoff` (RFC 3339) is taken.

    Raises:
        PlanError: it cannot be built, or is compiled for one kind of machine.
    """
    place = (root / folder.path).resolve()
    sources = sources_hash(str(place))
    kept = files.cache_root() / "code" / sha256(canonical([_FORMAT, sources, cutoff]))
    wheel = _kept(kept)
    if wheel is None:
        with files.exclusive(kept.parent / ".lock"), progress.step(f"build your own code in {folder.path}"):
            wheel = _kept(kept) or _built(folder, place, kept, requirements(), cutoff)
    return Code(folder=folder, package=_package(wheel, folder), sources=sources, license=wheel_license(wheel))


def _kept(folder: Path) -> Path | None:
    return next(folder.glob("*.whl"), None)


def _built(folder: CodeFolder, place: Path, kept: Path, requirements: BuildRequirements, cutoff: str) -> Path:
    with tempfile.TemporaryDirectory(prefix="envbuild-code-") as temporary:
        output = Path(temporary, "wheel")
        settings = Path(temporary, "setuptools.cfg")
        settings.write_text(_OUTSIDE.format(temporary), encoding="utf-8")
        argv = programs.uv_argv("build", "--wheel", "--no-sources", "--python", sys.executable, *requirements.options)
        argv += [*(("--exclude-newer", cutoff) if cutoff else ()), "--out-dir", str(output), str(place)]
        own = {"SOURCE_DATE_EPOCH": _EPOCH, "DIST_EXTRA_CONFIG": str(settings), "PYTHONDONTWRITEBYTECODE": "1"}
        # not in the folder: what is beside the code is no configuration of ours
        done = programs.run(
            argv,
            cwd=Path(temporary),
            env={**clean_environment(os.environ), **requirements.variables, **own},
            check=False,
        )
        found = sorted(output.glob("*.whl"))
        if done.code != 0 or len(found) != 1:
            said = "\n".join(requirements.safe(done.stderr.replace(f"{temporary}/", "")).strip().splitlines()[-20:])
            raise _refused(folder, f"cannot be built into a wheel:\n{said}")
        if not found[0].name.endswith("-none-any.whl"):
            raise _refused(
                folder, f"is compiled for one kind of machine ({found[0].name}), and the image may be for another"
            )
        target = kept / found[0].name
        try:
            files.write_atomic(target, repacked(found[0]))
        except ValueError as error:
            raise _refused(folder, f"cannot be used: {error}") from error
    return target


def _package(wheel: Path, folder: CodeFolder) -> PipPackage:
    name, version, _, _ = parse_wheel_filename(wheel.name)
    digest = files.sha256_of(wheel)
    file = PipFile(
        filename=wheel.name, path=str(wheel.absolute()), size=wheel.stat().st_size, hashes=(("sha256", digest),)
    )
    return PipPackage(name=str(name), version=str(version), marker=folder.marker, wheels=(file,))


def _refused(folder: CodeFolder, message: str) -> PlanError:
    return PlanError(folder.origin.problem(f"the code of {folder.path} {message}", _WITHOUT))

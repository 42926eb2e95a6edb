"""Linking conda packages into folders, by rattler in a process of its own: for a prefix of this machine, and for layers."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from envbuild import files, programs
from envbuild.core.errors import EngineError, IntegrityError
from envbuild.core.lock import CondaPackage
from envbuild.core.platforms import Platform

_WORKER = Path(__file__).with_name("conda_link_worker.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkJob:
    """Packages to link into `folder`; `places` maps the name of a package that is here already to its file."""

    packages: Sequence[CondaPackage]
    folder: Path
    places: Mapping[str, Path]

    def to_dict(self) -> dict[str, object]:
        """Return it as the worker reads it."""
        return {"packages": [self.package(one) for one in self.packages], "folder": str(self.folder)}

    def package(self, one: CondaPackage) -> dict[str, object]:
        """Return a package of the job as the worker reads it."""
        place = self.places.get(one.name)
        return {**asdict(one), "filename": one.filename, "location": place.as_uri() if place else one.url}


def link_conda(
    jobs: Sequence[LinkJob], *, platform: Platform, prefix: str = "", python: CondaPackage | None = None
) -> None:
    """Link the packages of each of `jobs` into its folder, downloading and verifying what is not here. Link scripts are not run.

    `prefix` is what stands in their files (empty: their folder); `python` is the one that noarch packages are for where
    it is in no job of theirs. What counts is the worker's result file: the linker's runtime can crash the
    interpreter while it shuts down.

    Raises:
        EngineError: it failed; with the linker's own words.
        IntegrityError: a package's hash is not the lock's.
    """
    wanted = {
        "jobs": [job.to_dict() for job in jobs],
        "python": jobs[0].package(python) if python is not None and jobs else None,
        "prefix": prefix,
        "platform": platform.subdir,
        "cache": str(files.cache_root() / "conda-packages"),
    }
    with tempfile.TemporaryDirectory(prefix="envbuild-conda-") as temporary:
        task, result = Path(temporary) / "task.json", Path(temporary) / "result.json"
        task.write_text(json.dumps(wanted))
        argv = [sys.executable, "-I", str(_WORKER), str(task), str(result)]
        done = programs.run(argv, env=dict(os.environ), check=False)
        try:
            error = json.loads(result.read_bytes())["error"]
        except (OSError, ValueError, KeyError):
            error = f"the linker ended with code {done.code}\n{done.stderr.strip()}"
    if error:
        kind = IntegrityError if "hash" in error.lower() or "sha256" in error.lower() else EngineError
        raise kind(f"the conda packages cannot be linked: {error}")

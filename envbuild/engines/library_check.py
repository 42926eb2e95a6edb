"""After a build, by any engine: which shared libraries the packages need that neither base nor lock has."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import cast

from envbuild.core.errors import EngineError, EnvbuildError
from envbuild.core.plan import PREFIX, Plan
from envbuild.core.platforms import image_platform
from envbuild.core.progress import Progress
from envbuild.engines import elf
from envbuild.engines.buildah import BuildahEngine
from envbuild.engines.libraries import MissingLibrary, missing_libraries, note_missing
from envbuild.engines.protocol import ContainerEngine, ImageEngine, RunOptions

_LIMIT = 120.0
"""Seconds that a scan of an image may take."""


def missing_in_image(engine: ImageEngine, name: str) -> tuple[MissingLibrary, ...]:
    """Return what is missing in the image `name`: its own Python looks, in a container of its own.

    Raises:
        EngineError: there is no Python in the environment, or it does not answer.
    """
    source = Path(elf.__file__).read_text(encoding="utf-8")
    command = (f"{PREFIX}/bin/python", "-I", "-S", "-c", source, PREFIX)
    if isinstance(engine, BuildahEngine):
        return _missing(engine.printed(name, command))
    return _missing(_printed(cast("ContainerEngine", engine), name, command))


def missing_in_prefix(prefix: Path) -> tuple[MissingLibrary, ...]:
    """Return what the environment in `prefix` needs and neither it nor this machine has."""
    files = [(package or "a package", path, found) for package, path, found in elf.scan(str(prefix))]
    return missing_libraries(files, elf.provided())


def check_image(engine: ImageEngine, name: str, plan: Plan, progress: Progress) -> None:
    """Tell what is missing in the image `name` of `plan` that `engine` has just built, as far as it can be run here."""
    if plan.definition.user_managed or plan.lock.python is None or plan.selection.platform != image_platform():
        return
    try:
        with progress.step("look for missing libraries"):
            found = missing_in_image(engine, name)
    except EnvbuildError as error:
        progress.note(f"whether libraries are missing is not known: {error.problems[0].message}")
        return
    note_missing(found, progress)


def _printed(engine: ContainerEngine, name: str, command: tuple[str, ...]) -> str:
    container = engine.start(name, RunOptions(command=command, network="none"))
    try:
        end = time.monotonic() + _LIMIT
        while engine.running(container) and time.monotonic() < end:
            time.sleep(0.05)
        return engine.logs(container)
    finally:
        engine.stop(container, patience=0)


def _missing(printed: str) -> tuple[MissingLibrary, ...]:
    lines = [line for line in printed.splitlines() if line.startswith(elf.MARK)]
    if not lines:
        raise EngineError(f"the environment's Python did not answer: {printed.strip()[-200:]}")
    told = json.loads(lines[-1].removeprefix(elf.MARK))
    files = [
        (str(package) or "a package", str(path), elf.ElfFile(needed=tuple(needed), soname=str(soname)))
        for package, path, needed, soname in told["files"]
    ]
    return missing_libraries(files, told["provided"])

"""After a build, by any engine: which shared libraries the packages need that neither base nor lock has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from envbuild.core.errors import EnvbuildError
from envbuild.core.plan import Plan
from envbuild.core.platforms import image_platform
from envbuild.core.progress import Progress
from envbuild.engines import elf
from envbuild.engines.asking import Question, ask_image, has_own_python
from envbuild.engines.libraries import MissingLibrary, missing_libraries, note_missing
from envbuild.engines.protocol import ImageEngine

_QUESTION = Question(source=Path(elf.__file__), mark=elf.MARK, flags=("-I", "-S"), seconds=120)


def missing_in_image(engine: ImageEngine, name: str) -> tuple[MissingLibrary, ...]:
    """Return what is missing in the image `name`: its own Python looks, in a container of its own.

    Raises:
        EngineError: there is no Python in the environment, or it does not answer.
    """
    return _missing(ask_image(engine, name, _QUESTION))


def missing_in_prefix(prefix: Path) -> tuple[MissingLibrary, ...]:
    """Return what the environment in `prefix` needs and neither it nor this machine has."""
    files = [(package or "a package", path, found) for package, path, found in elf.scan(str(prefix))]
    return missing_libraries(files, elf.provided())


def check_image(engine: ImageEngine, name: str, plan: Plan, progress: Progress) -> None:
    """Tell what is missing in the image `name` of `plan` that `engine` has just built, as far as it can be run here."""
    if not has_own_python(plan) or plan.selection.platform != image_platform():
        return
    try:
        with progress.step("look for missing libraries"):
            found = missing_in_image(engine, name)
    except EnvbuildError as error:
        progress.note(f"whether libraries are missing is not known: {error.problems[0].message}")
        return
    note_missing(found, progress)


def _missing(told: Any) -> tuple[MissingLibrary, ...]:
    files = [
        (str(package) or "a package", str(path), elf.ElfFile(needed=tuple(needed), soname=str(soname)))
        for package, path, needed, soname in told["files"]
    ]
    return missing_libraries(files, told["provided"])

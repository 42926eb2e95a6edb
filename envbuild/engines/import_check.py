"""After a build, where it was asked for: which modules cannot be imported, and what is missing for them. By any engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envbuild.core.errors import EnvbuildError
from envbuild.core.plan import Plan
from envbuild.core.platforms import image_platform
from envbuild.core.progress import Progress
from envbuild.engines import imports
from envbuild.engines.asking import Ask, Question, has_own_python
from envbuild.engines.libraries import is_of_a_driver, missing_library

_QUESTION = Question(source=Path(imports.__file__), mark=imports.MARK, flags=("-I", "-B", "-W", "ignore"), seconds=600)
_LIBRARY = re.compile(r"(?P<soname>\S+\.so[.0-9]*): cannot open shared object file")
_LONGEST = 300


def check_imports(plan: Plan, ask: Ask, progress: Progress) -> None:
    """Tell which modules the image of `plan` cannot import, as far as it can be asked here by `ask`."""
    if not has_own_python(plan):
        return
    platform = plan.selection.platform
    if platform != image_platform():
        progress.note(f"imports are not checked: this machine does not run programs for {platform.oci}")
        return
    try:
        with progress.step("import every module"):
            told = ask(_QUESTION)
    except EnvbuildError as error:
        progress.note(f"imports are not checked: {error.problems[0].message}")
        return
    for note in notes_of(told):
        progress.note(note)


def notes_of(told: Any) -> Iterator[str]:
    """Yield what to tell a person of the answer: how many modules can be imported, and each that cannot."""
    failed = [(str(package), str(module), str(error)) for package, module, error in told["failed"]]
    ready = f"{told['modules'] - len(failed)} of {told['modules']} modules of {told['packages']} packages"
    yield f"{ready} can be imported"
    for package, module, error in failed:
        found = _LIBRARY.search(error)
        if found is None:
            yield f"{package}: `import {module}` fails: {' '.join(error.split())[:_LONGEST]}"
        elif is_of_a_driver(found["soname"]):
            yield f"{package}: `import {module}` needs {found['soname']}, which comes with the machine's graphics card"
        else:
            library = missing_library(found["soname"], [package])
            yield f"{package}: `import {module}` needs {library.soname}, which nothing has: {library.hint}"

"""Reading a build context of the user's own: the Dockerfile, and every file that a builder would see."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from envbuild.context import ContextFile
from envbuild.core.errors import PlanError, Problem
from envbuild.render.dockerignore import DockerIgnore

IGNORE_FILE = ".dockerignore"


def read_folder(folder: Path, dockerfile: str, *, below: str = "") -> tuple[str, tuple[ContextFile, ...]]:
    """Return the text of `dockerfile` (relative to `folder`) and the files of the context but those that are ignored.

    The paths of the files start with `below` where it is given. Empty folders are left out.

    Raises:
        PlanError: the folder or its Dockerfile is missing or unreadable, or lies outside.
    """
    if "://" in str(folder) or ":/" in str(folder):
        raise PlanError(f"the build context {folder} is not a folder", hint="fetch it and name the folder")
    text = _read(folder, dockerfile)
    rules = _rules(folder, dockerfile)
    found = _files(folder, rules, f"{below}/" if below else "")
    return text, tuple(sorted(found, key=lambda one: one.path))


def _read(folder: Path, dockerfile: str) -> str:
    path = folder / dockerfile
    if not path.resolve().is_relative_to(folder.resolve()):
        raise PlanError(f"the Dockerfile {dockerfile} lies outside its build context {folder}")
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PlanError(Problem(message=f"the Dockerfile cannot be read: {error.strerror}", file=str(path))) from error
    except UnicodeDecodeError as error:
        raise PlanError(Problem(message="the Dockerfile is not UTF-8", file=str(path))) from error


def _rules(folder: Path, dockerfile: str) -> DockerIgnore:
    # a Dockerfile's own file goes before the folder's, as in BuildKit
    for name in (f"{dockerfile}{IGNORE_FILE}", IGNORE_FILE):
        path = folder / name
        if path.is_file():
            return DockerIgnore.parse(path.read_text(encoding="utf-8-sig", errors="replace"))
    return DockerIgnore()


def _files(folder: Path, rules: DockerIgnore, prefix: str) -> Iterator[ContextFile]:
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        folders[:] = sorted(name for name in folders if name not in links)
        for name in [*names, *links]:
            path = Path(place, name)
            relative = path.relative_to(folder).as_posix()
            if rules.ignores(relative):
                continue
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                yield ContextFile(path=prefix + relative, link=str(path.readlink()))
            elif stat.S_ISREG(mode):
                yield ContextFile(path=prefix + relative, source=path, mode=stat.S_IMODE(mode) & 0o777)

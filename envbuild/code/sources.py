"""One hash over all files of a folder that its wheel may be made of, so that an unchanged folder is known without its backend.

An image that exists is found through here alone, so this module imports next to nothing, and paths are strings here.
"""

from __future__ import annotations

import os

from envbuild.unchanged import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CACHES = ("__pycache__", "node_modules", "conda-meta")
_OUTPUTS = ("build", "dist")
_LARGE = 1 << 20
"""Bytes; no source file has more. Of what is larger, size and time of change stand for the content."""

_ASK_GIT = ("scm", "vcs", "dynamic-versioning", "versioningit", "versioneer")


def sources_hash(folder: str) -> str:
    """Return a hash over the names, modes and contents of the files below `folder`; caches, outputs and hidden folders do not count.

    What its pyproject.toml names above it counts too, and, where it says that version control knows the version, the commit.
    """
    described = _described(folder)
    lines = [
        f"{name}\0{_content(path)}\n" for place in (folder, *_above(folder, described)) for name, path in _files(place)
    ]
    if any(word in described for word in _ASK_GIT):
        lines.append(_commit(folder))
    return sha256("".join(lines).encode("utf-8", "surrogateescape"))


def _files(place: str) -> Iterator[tuple[str, str]]:
    """Yield each file below `place` (or `place` itself) with its relative name, in the order of the names."""
    if os.path.isfile(place):
        yield os.path.basename(place), place
        return
    seen: set[str] = set()
    for parent, folders, names in os.walk(place, followlinks=True):
        real = os.path.realpath(parent)
        folders[:] = sorted(one for one in folders if real not in seen and _counts(parent, one, top=parent == place))
        seen.add(real)
        for name in sorted(names):
            path = os.path.join(parent, name)
            yield os.path.relpath(path, place), path


def _counts(parent: str, name: str, *, top: bool) -> bool:
    if name.startswith(".") or name in _CACHES or name.endswith(".egg-info"):
        return False
    path = os.path.join(parent, name)
    if top and name in _OUTPUTS and not os.path.exists(os.path.join(path, "__init__.py")):
        return False
    return not any(os.path.exists(os.path.join(path, one)) for one in ("pyvenv.cfg", "conda-meta"))


def _content(path: str) -> str:
    try:
        found = os.stat(path)
        if found.st_size > _LARGE:
            return f"{found.st_size} {found.st_mtime_ns}"
        if not os.path.isfile(path):
            return "special"
        with open(path, "rb") as file:
            return f"{'x' if found.st_mode & 0o100 else '-'} {sha256(file.read())}"
    except OSError as error:
        return f"unreadable {error.errno}"


def _above(folder: str, described: str) -> list[str]:
    """Return what the project's description names above its folder, each once."""
    quoted = [part.partition(quote)[0] for quote in "\"'" for part in described.split(f"{quote}../")[1:]]
    places = (os.path.join(folder, "..", name) for name in dict.fromkeys(quoted))
    return [place for place in places if os.path.exists(place)]


def _commit(folder: str) -> str:
    from pathlib import Path

    from envbuild.core.errors import EngineError
    from envbuild.programs import run

    try:
        argv = ["git", "describe", "--always", "--dirty", "--tags", "--long", "--abbrev=40"]
        return run(argv, cwd=Path(folder)).stdout
    except EngineError:
        return ""


def _described(folder: str) -> str:
    try:
        with open(os.path.join(folder, "pyproject.toml"), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""

"""The edge of this room: the one place that opens files, and remembers what was in them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from envbuild.core.definition import Source
from envbuild.read.findings import fatal

LARGEST = 16 * 1024 * 1024
"""Bytes; nothing that a person writes is larger."""


class Include(Protocol):
    """Give the bytes of a file by its path relative to the definition's folder."""

    def __call__(self, path: str, /) -> bytes:
        """Return the bytes of `path`, or raise `DefinitionError`."""
        ...


class Files:
    """Files below (or beside) `root`, the folder of a definition. `sources` holds every file that was read, in that order."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._sources: dict[str, Source] = {}

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(self._sources.values())

    def __call__(self, path: str, /) -> bytes:
        """Return the bytes of `path` and remember their hash.

        Raises:
            DefinitionError: it is missing, unreadable, too large, or not a file.
        """
        content = self._open(path)
        name = Path(os.path.normpath(path)).as_posix()
        self._sources[name] = Source(path=name, sha256=hashlib.sha256(content).hexdigest())
        return content

    def names(self) -> frozenset[str]:
        """Return the names of the files that stand in `root` itself."""
        return frozenset(one.name for one in self.root.iterdir() if one.is_file())

    def has(self, path: str) -> bool:
        """Tell whether there is a file `path`."""
        return (self.root / path).is_file()

    def is_folder(self, path: str) -> bool:
        """Tell whether there is a folder `path`."""
        return (self.root / path).is_dir()

    def folders(self, path: str, glob: str) -> list[str]:
        """Return the folders below `path` that match `glob`, sorted, relative to the definition's folder."""
        try:
            found = [one for one in (self.root / path).glob(glob) if one.is_dir()]
        except (ValueError, NotImplementedError, OSError):  # an absolute or empty pattern
            return []
        return sorted(beside(".", os.path.relpath(one, self.root)) for one in found)

    def peek(self, path: str) -> bytes:
        """Return the bytes of `path` without counting it among the sources.

        Raises:
            DefinitionError: it is missing, unreadable, too large, or not a file.
        """
        return self._open(path)

    def missing_in_context(self, folder: str, dockerfile: str) -> str:
        """Return why `folder` is no build context with a `dockerfile`, or an empty text."""
        place = self.root / folder
        if not place.is_dir():
            return "is not there"
        return "" if (place / dockerfile).is_file() else f"has no {dockerfile}"

    def folder_hash(self, folder: str) -> str:
        """Return a hash over the names, modes and contents of the files below `folder`, except version control's."""
        place = self.root / folder
        total = hashlib.sha256()
        for name, path in _below(place):
            total.update(f"{name}\0{_fingerprint(path)}\n".encode())
        return total.hexdigest()

    def _open(self, path: str) -> bytes:
        place = self.root / path
        try:
            # a FIFO or a device would block, or never end
            if place.exists() and not place.is_file():
                raise fatal("is not a file", file=str(path))
            if place.is_file() and place.stat().st_size > LARGEST:
                raise fatal(f"has more than {LARGEST // 1024**2} MiB; no definition has", file=str(path))
            return place.read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise fatal(f"cannot be read: {reason}", file=str(path)) from error


def beside(file: str, path: str) -> str:
    """Return `path`, written inside `file`, relative to the definition's folder, in POSIX form."""
    folder = Path(file).parent
    return Path(os.path.normpath(folder / path)).as_posix()


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file and link below `folder` with its relative name, in the order of the names."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if one not in (".git", ".hg", ".svn"))
        links = [one for one in folders if (Path(parent) / one).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(parent) / name
            yield path.relative_to(folder).as_posix(), path


def _fingerprint(path: Path) -> str:
    if path.is_symlink():
        return f"link {path.readlink()}"
    if not path.is_file():
        return "special"
    with path.open("rb") as file:
        content = hashlib.sha256()
        while part := file.read(1 << 20):
            content.update(part)
    return f"{'x' if path.stat().st_mode & 0o100 else '-'} {content.hexdigest()}"

"""The edge of this room: the one place that opens files, and remembers what was in them."""

from __future__ import annotations

import hashlib
import os
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

    def has(self, path: str) -> bool:
        """Tell whether `path` is a file."""
        try:
            return (self.root / path).is_file()
        except (OSError, ValueError):
            return False

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

"""Uncompressed layers that will soon be sent somewhere, in files without a name, as long as there is room for them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import BinaryIO


class Room:
    """Bytes that several files share."""

    def __init__(self, size: int) -> None:
        """Begin with `size` bytes."""
        self._left = size
        self._changing = threading.Lock()

    def take(self, size: int) -> bool:
        """Take `size` bytes, if there are as many."""
        with self._changing:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give_back(self, size: int) -> None:
        """Return `size` bytes that were taken."""
        with self._changing:
            self._left += size


class Spool:
    """A file that takes what is written as long as there is room, and nothing once there was none."""

    def __init__(self, room: Room, make: Callable[[], BinaryIO]) -> None:
        """Write into a file of `make`, which may raise OSError."""
        self._room, self._size = room, 0
        self._file: BinaryIO | None = None
        with contextlib.suppress(OSError):
            self._file = make()

    def write(self, data: bytes) -> None:
        """Take `data`; a disk that is full is no error, as what is missing here is somewhere else too."""
        if self._file is None:
            return
        if not self._room.take(len(data)):
            self.close()
            return
        self._size += len(data)
        try:
            written = 0
            while written < len(data):
                written += self._file.write(memoryview(data)[written:])
        except OSError:
            self.close()

    def whole(self, size: int) -> BinaryIO | None:
        """Return the file if it has all of `size` bytes."""
        return self._file if self._size == size else None

    def close(self) -> None:
        """Make room."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._room.give_back(self._size)
        self._size = 0

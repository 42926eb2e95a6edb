"""Layers as tar archives that are the same for the same content: POSIX ustar, pax records only where ustar has no room.

Python's own writer is not used, so that no version of it can change a digest.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from envbuild.context import EPOCH
from envbuild.core.errors import IntegrityError

BLOCK = 512
_CHUNK = 1 << 20
_NAME, _LINK, _SIZE = 100, 100, 8**11
FILE, _SYMLINK, _FOLDER, _PAX = b"0", b"2", b"5", b"x"

_WORTH_KEEPING = 1 << 12

Write = Callable[[bytes], object]
Keep = Callable[[bytes, bytes], object]
"""Takes the next bytes of a file, and those of its deflate stream."""


class Packed(Protocol):
    """Content whose deflate stream is known while it is read."""

    @property
    def crc(self) -> int:
        """The CRC-32 that the content turns out to have."""
        ...

    def taken(self) -> bytes:
        """Return what the last `read` of the content went through of the deflate stream."""
        ...


Keeping = Callable[[int, int], AbstractContextManager[Keep]]
"""From CRC-32 and size to what takes a file that is compressed already."""


class Places:
    """Where absolute paths of the image lie, given what the base has.

    An entry for a folder must never replace a base's symbolic link (`/bin` of merged-usr systems), and an extractor may
    make a missing folder with any mode: links are followed, folders that the base has are left alone, others are written.
    """

    def __init__(self, folders: frozenset[str] = frozenset(), links: Mapping[str, str] | None = None) -> None:
        """Take the base's folders, and its links with their targets, all without a leading `/`."""
        self._folders, self._links = folders, links or {}

    def place(self, path: str) -> str:
        """Return where `path` leads, the links in its folders followed, without a leading `/`."""
        waiting = [part for part in path.split("/") if part]
        done: list[str] = []
        budget = 64
        while waiting:
            part = waiting.pop(0)
            if part in (".", ".."):
                done = done[:-1] if part == ".." else done
                continue
            target = self._links.get("/".join([*done, part])) if waiting and budget else None
            if target is None:
                done.append(part)
                continue
            budget -= 1
            done = [] if target.startswith("/") else done
            waiting = [*(one for one in target.split("/") if one), *waiting]
        return "/".join(done)

    def missing(self, path: str) -> Iterator[str]:
        """Yield the folders above the placed `path` that the base has not, outermost first."""
        parts = path.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            folder = "/".join(parts[:end])
            if folder not in self._folders:
                yield folder


class TarWriter:
    """Writes the members of one layer. All paths are absolute in the image; the folders above a member come by themselves."""

    def __init__(self, write: Write, places: Places | None = None, keeping: Keeping | None = None) -> None:
        """Write through `write`; what is compressed already, through `keeping`."""
        self._write, self._places, self._keeping = write, places or Places(), keeping
        self._folders: set[str] = set()
        self._placed: dict[str, str] = {}

    def folder(self, path: str, *, mode: int = 0o755, owner: int = 0) -> None:
        """Write a folder that belongs to user and group `owner`."""
        place = self._places.place(path)
        self._above(place)
        if place not in self._folders:
            self._folders.add(place)
            self._write(header(f"{place}/", _FOLDER, mode=mode, owner=owner))

    def link(self, path: str, target: str) -> None:
        """Write a symbolic link."""
        place = self._place(path)
        self._write(header(place, _SYMLINK, mode=0o777, link=target))

    def file(self, path: str, size: int, stream: BinaryIO, *, mode: int = 0o644, packed: Packed | None = None) -> None:
        """Write a file of `size` bytes; `packed` tells of the deflate stream that `stream` is read from, if there is one.

        Raises:
            IntegrityError: `stream` has more or fewer.
        """
        place = self._place(path)
        self._write(header(place, FILE, mode=mode, size=size))
        if packed is None or self._keeping is None or size < _WORTH_KEEPING:
            for data in blocks(path, size, stream):
                self._write(data)
        else:
            with self._keeping(packed.crc, size) as keep:
                for data in blocks(path, size, stream):
                    keep(data, packed.taken())
                keep(b"", packed.taken())
        self._write(bytes(-size % BLOCK))

    def content(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file with `data`."""
        self.file(path, len(data), io.BytesIO(data), mode=mode)

    def end(self) -> None:
        """Write the end of the archive."""
        self._write(bytes(2 * BLOCK))

    def _place(self, path: str) -> str:
        """Return where the member `path` lies, its folders written; what lies beside it is not looked up again."""
        folder, _, name = path.rpartition("/")
        if name in ("", ".", ".."):
            place = self._places.place(path)
            self._above(place)
            return place
        if folder not in self._placed:
            inside = self._places.place(f"{folder}/-")
            self._above(inside)
            self._placed[folder] = inside[:-1]
        return self._placed[folder] + name

    def _above(self, place: str) -> None:
        for folder in self._places.missing(place):
            if folder not in self._folders:
                self._folders.add(folder)
                self._write(header(f"{folder}/", _FOLDER, mode=0o755))


def blocks(path: str, size: int, stream: BinaryIO) -> Iterator[bytes]:
    """Yield the `size` bytes of `stream`, which are the content of `path`.

    Raises:
        IntegrityError: it has more or fewer.
    """
    left = size
    while data := stream.read(min(left + 1, _CHUNK)):
        left -= len(data)
        if left < 0:
            break
        yield data
    if left:
        raise IntegrityError(f"{path}: {'more' if left < 0 else 'fewer'} than the {size} bytes that were promised")


def header(name: str, kind: bytes, *, mode: int, size: int = 0, link: str = "", owner: int = 0) -> bytes:
    """Return the header of one member, preceded by a pax header where ustar cannot hold a value."""
    records = {}
    if len(name.encode()) > _NAME or not name.isascii():
        records["path"] = name
    if len(link.encode()) > _LINK or not link.isascii():
        records["linkpath"] = link
    if size >= _SIZE:
        records["size"] = str(size)
    plain = _block(_fit(name, _NAME), kind, mode, 0 if size >= _SIZE else size, link=_fit(link, _LINK), owner=owner)
    if not records:
        return plain
    body = b"".join(_record(key, value) for key, value in sorted(records.items()))
    return _block(b"pax", _PAX, 0o644, len(body)) + body + bytes(-len(body) % BLOCK) + plain


def _fit(text: str, size: int) -> bytes:
    return text.encode("ascii", "replace")[:size]


def _block(name: bytes, kind: bytes, mode: int, size: int, *, link: bytes = b"", owner: int = 0) -> bytes:
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode & 0o7777, owner, owner, size, EPOCH)
    # the checksum is that of a header with spaces in its place; zeros add nothing to it
    checksum = sum(name) + sum(numbers) + sum(kind) + sum(link) + _SUM_OF_REST
    parts = (name.ljust(_NAME, b"\0"), numbers, b"%06o\0 " % checksum, kind, link.ljust(_LINK, b"\0"), _REST)
    return b"".join(parts)


_REST = b"ustar\0" + b"00" + bytes(64) + b"%07o\0%07o\0" % (0, 0) + bytes(167)
_SUM_OF_REST = sum(_REST) + sum(b" " * 8)


def _record(key: str, value: str) -> bytes:
    text = f" {key}={value}\n".encode()
    size = len(text)
    while len(str(size)) + len(text) != size:
        size = len(str(size)) + len(text)
    return str(size).encode() + text

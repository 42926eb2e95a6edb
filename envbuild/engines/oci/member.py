"""A member of a wheel while it is read: inflated by ISA-L where that is installed, its compressed bytes at hand as well.

A layer may keep those as they are: a gzip member holds the same deflate stream that a zip archive does (RFC 1951, RFC 1952).
"""

from __future__ import annotations

import zipfile
from typing import BinaryIO

from envbuild.engines.oci.compression import crc32, inflating

_LOCAL_HEADER = 30
_SIGNATURE = b"PK\3\4"
_ENCRYPTED, _UTF_8 = 1, 1 << 11
_CHUNK = 1 << 18


class Member:
    """A member of an archive that is open as `file`, read from its beginning to its end.

    Its end is reached only if length and CRC-32 are those of the archive's directory.
    """

    def __init__(self, file: BinaryIO, item: zipfile.ZipInfo) -> None:
        """Read the member `item`.

        Raises:
            zipfile.BadZipFile: it is not where the directory says, or is stored in a way that no wheel's member is.
        """
        self.name, self.size, self.crc = item.filename, item.file_size, item.CRC
        self._file, self._left = file, item.compress_size
        self._at = self._content(item)
        self._inflater = inflating() if item.compress_type == zipfile.ZIP_DEFLATED else None
        self._waiting = b""
        self._taken: list[bytes] = []
        self._came, self._sum, self._ended = 0, 0, False

    @property
    def is_deflated(self) -> bool:
        """Tell whether what `taken` returns is a deflate stream."""
        return self._inflater is not None

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, all that are left where it is negative; none at the end.

        Raises:
            zipfile.BadZipFile, zlib.error (or ISA-L's): it is damaged.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(_CHUNK), b""))
        if self._ended or not size:
            return b""
        self._taken.clear()
        data = self._next(size)
        self._came += len(data)
        self._sum = crc32(data, self._sum)
        if self._came > self.size:
            raise zipfile.BadZipFile(f"{self.name} is longer than the archive says")
        if not data:
            self._end()
        return data

    def taken(self) -> bytes:
        """Return the compressed bytes that the last `read` went through."""
        return b"".join(self._taken)

    def _content(self, item: zipfile.ZipInfo) -> int:
        self._file.seek(item.header_offset)
        header = self._file.read(_LOCAL_HEADER)
        if len(header) != _LOCAL_HEADER or not header.startswith(_SIGNATURE):
            raise zipfile.BadZipFile(f"{self.name} is not where the archive says")
        if item.flag_bits & _ENCRYPTED:
            raise zipfile.BadZipFile(f"{self.name} is encrypted")
        name, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
        written = self._file.read(name)
        if written.decode("utf-8" if item.flag_bits & _UTF_8 else "cp437", "replace") != item.orig_filename:
            raise zipfile.BadZipFile(f"{self.name} has another name in the archive's directory")
        return item.header_offset + _LOCAL_HEADER + name + extra

    def _next(self, size: int) -> bytes:
        if self._inflater is None:
            return self._packed(min(size, _CHUNK))
        while not self._inflater.eof:
            source = self._waiting or self._packed(_CHUNK)
            data = self._inflater.decompress(source, size)
            self._waiting = self._inflater.unconsumed_tail
            if data:
                return data
            if not source and not self._inflater.eof:
                raise zipfile.BadZipFile(f"{self.name} ends too early")
        return b""

    def _packed(self, size: int) -> bytes:
        # others read the same file
        self._file.seek(self._at)
        data = self._file.read(min(size, self._left))
        self._at += len(data)
        self._left -= len(data)
        if self._inflater is not None:
            self._taken.append(data)
        return data

    def _end(self) -> None:
        self._ended = True
        more = self._left or (self._inflater is not None and self._inflater.unused_data)
        if self._came != self.size or self._sum != self.crc or more:
            raise zipfile.BadZipFile(f"{self.name} is not what the archive's directory promises")

"""Reading a layer: verified, decompressed, member by member, never whole in memory and never unpacked."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from envbuild.core.errors import IntegrityError
from envbuild.net.images import Descriptor

_BUFFER = 1 << 18
_LARGEST_READ = 16 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class VerifiedReader(io.RawIOBase):
    """Passes bytes on and holds them against a descriptor: wrong bytes raise IntegrityError at the end at the latest."""

    def __init__(self, raw: BinaryIO, descriptor: Descriptor, name: str) -> None:
        """Read `raw`, which is closed with this; `name` is the image, for messages."""
        super().__init__()
        self._raw, self._descriptor, self._name = raw, descriptor, name
        self._hash = hashlib.new(descriptor.digest.partition(":")[0])
        self._seen = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read the next bytes (see `io.RawIOBase`)."""
        data = self._raw.read(len(buffer))
        self._seen += len(data)
        self._hash.update(data)
        if self._seen > self._descriptor.size or (not data and len(buffer)):
            self._check()
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the source too."""
        if not self.closed:
            self._raw.close()
        super().close()

    def _check(self) -> None:
        place, digest = f"{self._name}: blob {self._descriptor.digest}", self._hash.hexdigest()
        if self._seen != self._descriptor.size:
            more = "more than" if self._seen > self._descriptor.size else f"{self._seen} of"
            raise IntegrityError(f"{place}: {more} {self._descriptor.size} bytes came")
        if digest != self._descriptor.digest.partition(":")[2]:
            raise IntegrityError(f"{place}: the content has another digest, {digest}")


def verified(raw: BinaryIO, descriptor: Descriptor, name: str) -> BinaryIO:
    """Return `raw` as a buffered reader that verifies (see `VerifiedReader`)."""
    return io.BufferedReader(VerifiedReader(raw, descriptor, name), _BUFFER)


def decompressed(blob: BinaryIO) -> BinaryIO:
    """Return the tar stream in `blob` (gzip, zstd or plain), by what its first bytes are, whatever its media type says."""
    peekable = blob if isinstance(blob, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", blob), _BUFFER)
    start = peekable.peek(4)[:4]
    if start[:2] == _GZIP:
        return _gunzip(peekable)
    if start == _ZSTD:
        import zstandard

        reader = zstandard.ZstdDecompressor().stream_reader(peekable, read_across_frames=True)
        return io.BufferedReader(cast("io.RawIOBase", reader), _BUFFER)
    return peekable


def members(blob: BinaryIO, place: str) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """Yield the members of the layer in `blob` in order; content can be read of the one that was yielded last.

    Raises:
        IntegrityError: it is no layer, or damaged; `place` is what the message calls it.
    """
    try:
        with tarfile.open(fileobj=cast("BinaryIO", _Forward(decompressed(blob), place)), mode="r:") as tar:
            for member in tar:
                yield member, tar
                tar.members = []  # type: ignore[attr-defined]  # it would keep every header of a large layer
    except _damages() as error:
        raise IntegrityError(f"{place}: the layer cannot be read ({error})") from error


@contextlib.contextmanager
def reading(place: str) -> Iterator[None]:
    """Let the block read members' content.

    Raises:
        IntegrityError: the layer is damaged, or ends in a member; `place` is what the message calls it.
    """
    try:
        yield
    except _damages() as error:
        raise IntegrityError(f"{place}: the layer cannot be read ({error})") from error


def content_of(member: tarfile.TarInfo, tar: tarfile.TarFile, place: str) -> bytes:
    """Return the content of the `member` that `members` yielded last; empty where it is no file.

    Raises:
        IntegrityError: the layer is damaged, or ends in it.
    """
    with reading(place):
        file = tar.extractfile(member)
        data = file.read() if file else b""
    if len(data) != member.size:
        raise IntegrityError(f"{place}: the layer ends inside /{member.name}")
    return data


class _Forward:
    """What `tarfile` needs of a file, over a stream: it may only go forward, and never takes much at once."""

    def __init__(self, stream: BinaryIO, place: str) -> None:
        self._stream, self._place, self._at = stream, place, 0

    def tell(self) -> int:
        return self._at

    def read(self, size: int) -> bytes:
        if size > _LARGEST_READ:
            raise IntegrityError(f"{self._place}: a tar header of {size} bytes")
        found = bytearray()
        while len(found) < size and (data := self._stream.read(size - len(found))):
            found += data
        self._at += len(found)
        return bytes(found)

    def seek(self, position: int) -> int:
        if position < self._at:
            raise tarfile.StreamError("seeking backwards")
        while self._at < position and self.read(min(position - self._at, _BUFFER)):
            pass
        return self._at


def _gunzip(blob: BinaryIO) -> BinaryIO:
    try:
        from isal import igzip

        return cast("BinaryIO", igzip.IGzipFile(fileobj=blob, mode="rb"))  # type: ignore[no-untyped-call]
    except ImportError:
        import gzip

        return cast("BinaryIO", gzip.GzipFile(fileobj=blob, mode="rb"))


def _damages() -> tuple[type[Exception], ...]:
    import gzip

    import zstandard

    found = [tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, zstandard.ZstdError]
    with contextlib.suppress(ImportError):
        from isal import isal_zlib

        found.append(cast("type[Exception]", isal_zlib.error))
    return tuple(found)

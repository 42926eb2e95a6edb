"""Compressing layers: gzip by ISA-L where that is installed, zlib where not; zstd and none by choice.

Compressed bytes differ between libraries and their versions, so they never enter an identity: that is the uncompressed
content's. What made them is part of the cache key.
"""

from __future__ import annotations

import functools
import gzip
import zlib
from dataclasses import dataclass
from typing import IO, BinaryIO, Protocol, cast

from envbuild.core.errors import EngineError
from envbuild.core.image_settings import Compression

_LAYER = "application/vnd.oci.image.layer.v1.tar"
_ISAL_LEVEL, _ZLIB_LEVEL, _ZSTD_LEVEL = 2, 1, 3


class Compressor(Protocol):
    """A stream that compresses."""

    def compress(self, data: bytes, /) -> bytes:
        """Take `data` and return what is ready."""
        ...

    def flush(self) -> bytes:
        """Return the rest."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How layers are compressed here; `identity` names library, version and level.

    With `keeps` what is a deflate stream already stays as it is, a gzip member of its own.
    """

    kind: Compression
    identity: str
    media_type: str
    keeps: bool = False

    def start(self) -> Compressor:
        """Return a new stream."""
        if self.kind == "none":
            return _Plain()
        if self.kind == "zstd":
            return _zstd()
        return _isal() if self.identity.startswith("isal") else zlib.compressobj(_ZLIB_LEVEL, zlib.DEFLATED, 31)


def method(kind: Compression) -> Method:
    """Return the way to compress that `kind` means on this machine.

    Raises:
        EngineError: zstd is asked for and its library is missing.
    """
    if kind == "none":
        return Method(kind=kind, identity="none", media_type=_LAYER)
    if kind == "zstd":
        return Method(kind=kind, identity=f"zstd {_zstd_version()} {_ZSTD_LEVEL}", media_type=f"{_LAYER}+zstd")
    keeps = kind == "gzip"
    identity = (_isal_identity() if keeps else "") or f"zlib {zlib.ZLIB_RUNTIME_VERSION} {_ZLIB_LEVEL}"
    return Method(
        kind=kind, identity=f"{identity} keeping" if keeps else identity, media_type=f"{_LAYER}+gzip", keeps=keeps
    )


class Inflater(Protocol):
    """A stream that inflates raw deflate (RFC 1951), as `zlib.decompressobj` does."""

    eof: bool
    unconsumed_tail: bytes
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return up to `max_length` bytes of what `data` holds."""
        ...


def inflating() -> Inflater:
    """Return a new stream that inflates: by ISA-L where that is installed, in a third of zlib's time."""
    if not _isal_identity():
        return cast("Inflater", zlib.decompressobj(-15))
    from isal import isal_zlib

    return cast("Inflater", isal_zlib.decompressobj(-15))


def crc32(data: bytes, value: int = 0) -> int:
    """Return the CRC-32 of what has the one in `value`, followed by `data`."""
    if not _isal_identity():
        return zlib.crc32(data, value)
    from isal import isal_zlib

    return int(isal_zlib.crc32(data, value))


def inflating_errors() -> tuple[type[Exception], ...]:
    """Return what inflating damaged bytes raises, whoever inflates them."""
    if not _isal_identity():
        return (zlib.error,)
    from isal import isal_zlib

    return (zlib.error, cast("type[Exception]", isal_zlib.error))


def plain(blob: BinaryIO, media_type: str) -> IO[bytes]:
    """Return what the compressed layer `blob` holds, as a stream."""
    if media_type.endswith("+zstd"):
        import zstandard

        return cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(blob, read_across_frames=True))
    if not media_type.endswith("gzip"):
        return blob
    if _isal_identity():
        from isal import igzip

        return cast("IO[bytes]", igzip.open(blob, "rb"))  # type: ignore[no-untyped-call]
    return cast("IO[bytes]", gzip.open(blob, "rb"))


class _Plain:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


@functools.cache
def _isal_identity() -> str:
    try:
        import isal
        from isal import isal_zlib  # noqa: F401
    except ImportError:
        return ""
    return f"isal {isal.__version__} {_ISAL_LEVEL}"


def _isal() -> Compressor:
    from isal import isal_zlib

    compressor: Compressor = isal_zlib.compressobj(_ISAL_LEVEL, isal_zlib.DEFLATED, 31)
    return compressor


def _zstd_version() -> str:
    try:
        import zstandard
    except ImportError:
        raise EngineError("zstd layers need the package zstandard", hint="install it, or choose gzip") from None
    return ".".join(map(str, zstandard.ZSTD_VERSION))


def _zstd() -> Compressor:
    import zstandard

    compressor: Compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
    return compressor

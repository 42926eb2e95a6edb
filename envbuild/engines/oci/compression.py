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
    """How layers are compressed here; `identity` names library, version and level."""

    kind: Compression
    identity: str
    media_type: str

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
    identity = _isal_identity() if kind == "gzip" else ""
    identity = identity or f"zlib {zlib.ZLIB_RUNTIME_VERSION} {_ZLIB_LEVEL}"
    return Method(kind=kind, identity=identity, media_type=f"{_LAYER}+gzip")


def fast_inflating(member: IO[bytes]) -> IO[bytes]:
    """Return the `member` of a zip archive, inflated by ISA-L where that is installed, in a third of zlib's time.

    What `zipfile` checks, it still checks.
    """
    if _isal_identity() and isinstance(getattr(member, "_decompressor", None), type(zlib.decompressobj())):
        from isal import isal_zlib

        member._decompressor = isal_zlib.decompressobj(-15)  # type: ignore[attr-defined]  # noqa: SLF001 - it has no other door
    return member


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

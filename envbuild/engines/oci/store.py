"""The images that were assembled on this machine, as one OCI layout in the cache; layers are found again by their key.

Safe for several processes, and for one that is killed at any moment: everything appears in one step, and what is found is
held against its digest before it is used; what is damaged is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from envbuild.core.errors import FileError, IntegrityError
from envbuild.engines.oci.compression import Compressor, Method
from envbuild.engines.oci.tar import Places, TarWriter
from envbuild.files import cache_root, exclusive, sha256_of, write_atomic
from envbuild.net.images import Descriptor, digest_of
from envbuild.net.layers import verified
from envbuild.net.media_types import OCI_INDEX

LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
REF_NAME = "org.opencontainers.image.ref.name"
_MEMBER = bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF))
"""The header of a gzip member: deflate, no name, no time, from an unknown system."""
_ABANDONED = 3600
"""Seconds after which a half-written file is nobody's any more."""

Take = Callable[[bytes], object]
"""Takes bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLayer:
    """A layer in the store: its blob, digest and size of the uncompressed tar, and what its writer told of the content."""

    descriptor: Descriptor
    diff_id: str
    plain_size: int
    told: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """An OCI layout at `root`, with an index of layers by key beside it."""

    root: Path = field(default_factory=lambda: cache_root() / "images")

    def blob_path(self, digest: str) -> Path:
        """Return where the blob `digest` lies, if it is here."""
        algorithm, _, digits = digest.partition(":")
        return self.root / "blobs" / algorithm / digits

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Open a blob; its end is reached only if the digest is right.

        Raises:
            IntegrityError: it is not here, or (while reading) is damaged: it is removed then.
        """
        path = self.blob_path(descriptor.digest)
        try:
            return verified(path.open("rb"), descriptor, str(self.root))
        except OSError as error:
            raise IntegrityError(f"{path} cannot be read: {error.strerror or error}") from error

    def add(self, data: bytes, media_type: str) -> Descriptor:
        """Keep `data` and return its descriptor."""
        found = Descriptor.of(data, media_type)
        path = self.blob_path(found.digest)
        if not path.is_file() or path.read_bytes() != data:
            write_atomic(path, data)
        return found

    def layer(
        self,
        key: str,
        method: Method,
        places: Places,
        write: Callable[[TarWriter], Any],
        *,
        fresh: bool = False,
        plain: Take | None = None,
    ) -> StoredLayer:
        """Return the layer of `key`, written by `write` where it is not here (or `fresh`); what `write` returns is kept with it.

        The uncompressed bytes of what is written go to `plain` too.

        Raises:
            EnvbuildError: `write` did, or the disk is full; nothing is kept then.
        """
        record = self._record(key)
        with exclusive(record.with_suffix(".lock")):
            found = None if fresh else self._find(record)
            if found is None:
                found = self._make(method, places, write, plain)
                write_atomic(record, json.dumps(_to_dict(found, self.blob_path(found.descriptor.digest))))
        return found

    def find_layer(self, key: str) -> StoredLayer | None:
        """Return the layer of `key` where it is here and whole."""
        return self._find(self._record(key))

    def forget(self, digests: Sequence[str]) -> None:
        """Remove those of the blobs `digests` that are damaged, so that the next look does not find them."""
        for digest in digests:
            path = self.blob_path(digest)
            if path.is_file() and f"sha256:{sha256_of(path)}" != digest:
                path.unlink(missing_ok=True)

    def name(self, names: Sequence[str], manifest: Descriptor) -> None:
        """Let each of `names` mean `manifest`, in the layout's index."""
        with exclusive(self.root / "index.lock"):
            entries = [one for one in self._entries() if (one.get("annotations") or {}).get(REF_NAME) not in names]
            entries += [{**manifest.to_dict(), "annotations": {REF_NAME: name}} for name in dict.fromkeys(names)]
            if not (self.root / "oci-layout").is_file():
                write_atomic(self.root / "oci-layout", LAYOUT)
            index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
            write_atomic(self.root / "index.json", json.dumps(index, sort_keys=True, separators=(",", ":")))

    def named(self, name: str) -> Descriptor | None:
        """Return the manifest that `name` means here."""
        for entry in self._entries():
            if (entry.get("annotations") or {}).get(REF_NAME) == name:
                return Descriptor.from_dict(entry, str(self.root))
        return None

    def read(self, descriptor: Descriptor) -> bytes | None:
        """Return a small blob, or None where it is not here or damaged."""
        path = self.blob_path(descriptor.digest)
        data = path.read_bytes() if path.is_file() else b""
        return data if data and digest_of(data) == descriptor.digest else None

    def sweep(self) -> None:
        """Remove what killed processes left half-written."""
        for part in self._parts.glob("*"):
            with contextlib.suppress(OSError):
                if time.time() - part.stat().st_mtime > _ABANDONED:
                    part.unlink()

    def _record(self, key: str) -> Path:
        return self.root / "layers" / key[:2] / f"{key}.json"

    def _entries(self) -> list[dict[str, Any]]:
        try:
            index = json.loads((self.root / "index.json").read_bytes())
            return [one for one in index["manifests"] if isinstance(one, dict)]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def _find(self, record: Path) -> StoredLayer | None:
        try:
            known = json.loads(record.read_bytes())
            descriptor = Descriptor.from_dict(known["descriptor"], str(record))
            path = self.blob_path(descriptor.digest)
            if _stamp(path) != known["stamp"] and f"sha256:{sha256_of(path)}" != descriptor.digest:
                path.unlink()
                return None
            return StoredLayer(
                descriptor=descriptor,
                diff_id=str(known["diff_id"]),
                plain_size=int(known["plain_size"]),
                told=known["told"],
            )
        except (OSError, ValueError, KeyError, TypeError, IntegrityError):
            return None

    def _make(
        self, method: Method, places: Places, write: Callable[[TarWriter], Any], plain: Take | None
    ) -> StoredLayer:
        with self._part() as (path, file):
            sink = _Sink(file, method, plain)
            tar = TarWriter(sink.write, places, sink.keeping if method.keeps else None)
            told = write(tar)
            tar.end()
            descriptor = sink.end()
            target = self.blob_path(descriptor.digest)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
        return StoredLayer(descriptor=descriptor, diff_id=sink.diff_id, plain_size=sink.plain_size, told=told)

    def has_free(self, size: int) -> bool:
        """Tell whether the disk has `size` bytes free."""
        with contextlib.suppress(OSError):
            return shutil.disk_usage(self.root).free >= size
        return False

    def nameless(self) -> BinaryIO:
        """Return a new file beside the blobs that nobody else sees, and that is gone when it is closed.

        Raises:
            OSError: it cannot be made.
        """
        self._parts.mkdir(parents=True, exist_ok=True)
        return cast("BinaryIO", tempfile.TemporaryFile(dir=self._parts, buffering=0))

    @property
    def _parts(self) -> Path:
        return self.root / "parts"

    @contextlib.contextmanager
    def _part(self) -> Iterator[tuple[Path, BinaryIO]]:
        folder = self._parts
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                path = Path(file.name)
                try:
                    yield path, file.file  # type: ignore[misc]  # typeshed: IO[bytes]
                finally:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise FileError(f"{folder} cannot be written: {error.strerror or error}") from error


class _Sink:
    """Takes a tar, and knows both digests and sizes at its end."""

    def __init__(self, file: BinaryIO, method: Method, plain: Take | None) -> None:
        self._file, self._method, self._take = file, method, plain
        self._compressor: Compressor | None = None
        self._plain, self._packed, self._size = hashlib.sha256(), hashlib.sha256(), 0
        self.plain_size = 0
        self._waiting = io.BytesIO()

    def write(self, data: bytes) -> None:
        # one large piece is hashed and compressed far faster than many headers
        self._waiting.write(data)
        if self._waiting.tell() >= 1 << 20:
            self._pass_on()

    @contextlib.contextmanager
    def keeping(self, crc: int, size: int) -> Iterator[Callable[[bytes, bytes], None]]:
        """Yield what takes a file with its deflate stream, which becomes a gzip member of its own (RFC 1952, 2.2)."""
        self._end_compressed()
        self._put(_MEMBER)
        yield self._keep
        self._put(struct.pack("<II", crc, size & 0xFFFFFFFF))

    def _keep(self, data: bytes, packed: bytes) -> None:
        self._put_plain(data)
        self._put(packed)

    @property
    def diff_id(self) -> str:
        return f"sha256:{self._plain.hexdigest()}"

    def end(self) -> Descriptor:
        self._end_compressed()
        self._file.flush()
        os.fchmod(self._file.fileno(), 0o644)
        digest = f"sha256:{self._packed.hexdigest()}"
        return Descriptor(media_type=self._method.media_type, digest=digest, size=self._size)

    def _pass_on(self) -> None:
        data = self._waiting.getvalue()
        self._waiting = io.BytesIO()
        if not data:
            return
        self._put_plain(data)
        self._compressor = self._compressor or self._method.start()
        self._put(self._compressor.compress(data))

    def _end_compressed(self) -> None:
        self._pass_on()
        if self._compressor is not None:
            self._put(self._compressor.flush())
            self._compressor = None

    def _put_plain(self, data: bytes) -> None:
        self._plain.update(data)
        self.plain_size += len(data)
        if self._take is not None:
            self._take(data)

    def _put(self, data: bytes) -> None:
        self._packed.update(data)
        self._size += len(data)
        self._file.write(data)


def _stamp(path: Path) -> list[int]:
    """What changes when a file does: enough to trust a digest that was checked before."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _to_dict(layer: StoredLayer, path: Path) -> dict[str, object]:
    return {
        "descriptor": layer.descriptor.to_dict(),
        "diff_id": layer.diff_id,
        "plain_size": layer.plain_size,
        "told": layer.told,
        "stamp": _stamp(path),
    }

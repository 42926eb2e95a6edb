"""Docker-archives, as `docker load` reads them: piece by piece, never whole in memory, of a size that is known before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from envbuild.core.keys import sha256
from envbuild.core.reference import ImageReference
from envbuild.engines.docker_socket import FilePart
from envbuild.engines.oci.assemble import Stack
from envbuild.engines.oci.compression import plain
from envbuild.engines.oci.store import Store
from envbuild.engines.oci.tar import BLOCK, FILE, blocks, header
from envbuild.net.images import Descriptor

Pieces = Iterator[bytes | FilePart]

_PART = 8 << 20
"""Bytes of a file that are sent in one go: whoever is to stop does so in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    name: str
    size: int
    pieces: Callable[[], Pieces]

    @property
    def header(self) -> bytes:
        return header(self.name, FILE, mode=0o644, size=self.size)

    @property
    def padding(self) -> bytes:
        return bytes(-self.size % BLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerArchive:
    """An archive of some members."""

    members: tuple[_Member, ...]

    @property
    def size(self) -> int:
        """How many bytes all pieces have together."""
        return sum(len(one.header) + one.size + len(one.padding) for one in self.members) + len(_END)

    def pieces(self) -> Pieces:
        """Yield the archive.

        Raises:
            IntegrityError, NetworkError: a layer is damaged or cannot be had.
        """
        for member in self.members:
            yield member.header
            yield from member.pieces()
            yield member.padding
        yield _END


_END = bytes(2 * BLOCK)


def docker_archive(
    image: Stack,
    config: bytes,
    store: Store,
    names: Sequence[str],
    *,
    present: int = 0,
    unpacked: bool = False,
    at_hand: Mapping[str, BinaryIO] | None = None,
) -> DockerArchive:
    """Return a docker-archive of the configuration `config` and all layers but the lowest `present`, which its reader has already.

    With `unpacked` our own layers are in it uncompressed, which spares a reader that is near what takes it longest. Those whose
    diff_id is in `at_hand` are read from there: files that hold the uncompressed layer and nothing else.
    """
    name_of_config = f"{sha256(config)}.json"
    layers = [f"{digest.partition(':')[2]}/layer.tar" for digest in image.diff_ids]
    manifest = [{"Config": name_of_config, "RepoTags": [tagged(name) for name in names], "Layers": layers}]
    members = {
        "manifest.json": _data(json.dumps(manifest, separators=(",", ":")).encode()),
        name_of_config: _data(config),
    }
    known = {one.diff_id: one.plain_size for one in image.layers} if unpacked else {}
    found = [*zip(layers, image.diff_ids, image.blobs, strict=True)][present:]
    for name, diff_id, blob in found:
        size = known.get(diff_id)
        file = (at_hand or {}).get(diff_id)
        if size is not None and file is not None:
            members[name] = (size, _parts(file, size))
        else:
            members[name] = (blob.size if size is None else size, _stream(name, image, store, blob, size))
    return DockerArchive(
        members=tuple(_Member(name=name, size=size, pieces=get) for name, (size, get) in members.items())
    )


def tagged(name: str) -> str:
    """Return `name` with its tag spelled out."""
    reference = ImageReference.parse(name)
    return str(reference.with_tag(reference.tag or "latest"))


def _data(data: bytes) -> tuple[int, Callable[[], Pieces]]:
    return len(data), lambda: iter((data,))


def _parts(file: BinaryIO, size: int) -> Callable[[], Pieces]:
    return lambda: (FilePart(file=file, offset=at, size=min(_PART, size - at)) for at in range(0, size, _PART))


def _stream(name: str, image: Stack, store: Store, blob: Descriptor, plain_size: int | None) -> Callable[[], Pieces]:
    """Return what reads a layer from its blob: as it is, or the `plain_size` bytes that it unpacks to."""

    def pieces() -> Pieces:
        with image.opener(store, blob)() as packed:
            if plain_size is None:
                yield from blocks(name, blob.size, packed)
            else:
                yield from blocks(name, plain_size, cast("BinaryIO", plain(packed, blob.media_type)))

    return pieces

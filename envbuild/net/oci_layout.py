"""Images in files: an OCI layout folder, an `oci-archive` and a `docker-archive` tar (what `docker save` writes)."""

from __future__ import annotations

import io
import json
import posixpath
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from envbuild.core.errors import DefinitionError, IntegrityError
from envbuild.core.platforms import Platform
from envbuild.net.images import (
    LARGEST_MANIFEST,
    Descriptor,
    ImageSource,
    ResolvedImage,
    check_digest,
    choose,
    digest_of,
    listed,
    parse_config,
    parse_object,
    resolve_image,
)
from envbuild.net.layers import verified
from envbuild.net.media_types import OCI_MANIFEST

_REF_NAMES = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
_LARGEST_CONFIG = 16 << 20


class Files(Protocol):
    """Files by their path in a folder or an archive."""

    name: str

    def open(self, path: str) -> BinaryIO:
        """Open one for reading.

        Raises:
            DefinitionError: there is none.
        """
        ...

    def __contains__(self, path: str) -> bool:
        """Tell whether there is one."""
        ...


def image_source(path: Path, ref: str = "") -> ImageSource:
    """Return the image in `path`: an OCI layout folder, or an archive of either kind.

    `ref` is the name or tag of the image where there are several.

    Raises:
        DefinitionError: `path` is none of these.
    """
    if path.is_dir():
        return LayoutSource(FolderFiles(path), ref)
    files = TarFiles(path)
    if "index.json" in files:
        return LayoutSource(files, ref)
    if "manifest.json" in files:
        return DockerArchiveSource(files, ref)
    raise DefinitionError(f"{path} is no image: it has neither index.json (OCI) nor manifest.json (docker save)")


class FolderFiles:
    """The files of a folder."""

    def __init__(self, root: Path) -> None:
        """Take the folder."""
        self.name = str(root)
        self._root = root

    def open(self, path: str) -> BinaryIO:
        """Open one for reading (see `Files`)."""
        try:
            return (self._root / path).open("rb")
        except OSError as error:
            raise DefinitionError(f"{self._root / path} cannot be read: {error.strerror}") from None

    def __contains__(self, path: str) -> bool:
        return (self._root / path).is_file()


class TarFiles:
    """The files of an uncompressed tar archive, read in place."""

    def __init__(self, path: Path) -> None:
        """Read the archive's table.

        Raises:
            DefinitionError: it cannot be read, is compressed, or is no tar.
        """
        self.name = str(path)
        self._path = path
        try:
            with tarfile.open(path, "r:") as tar:
                found = {posixpath.normpath(one.name): one for one in tar}
        except OSError as error:
            raise DefinitionError(f"{path} cannot be read: {error.strerror}") from None
        except tarfile.TarError:
            raise DefinitionError(
                f"{path} is not a tar archive", hint="if it is compressed, decompress it first"
            ) from None
        self._places = {name: (one.offset_data, one.size) for name, one in found.items() if one.isfile()}
        # old versions of `docker save` write a layer once and link to it
        self._links = {name: _target(name, one) for name, one in found.items() if one.issym() or one.islnk()}

    def open(self, path: str) -> BinaryIO:
        """Open one for reading (see `Files`)."""
        place = self._places.get(self._links.get(path, path))
        if place is None:
            raise DefinitionError(f"{self.name}: {path} is missing")
        return io.BufferedReader(_Slice(self._path, *place))

    def __contains__(self, path: str) -> bool:
        return self._links.get(path, path) in self._places


class LayoutSource:
    """An image in an OCI layout (OCI image specification, "Image Layout")."""

    def __init__(self, files: Files, ref: str = "") -> None:
        """Take the files of the layout and, where it holds several images, the name of one."""
        self._files, self._ref = files, ref
        self.name = f"{files.name}:{ref}" if ref else files.name

    def resolve(self, platform: Platform) -> ResolvedImage:
        """Return the image for `platform` (see `ImageSource`)."""
        with self._files.open("index.json") as file:
            index = parse_object(file.read(LARGEST_MANIFEST), f"{self._files.name}: index.json")
        return resolve_image(self.name, self._root(index, platform), self._fetch, platform)

    def blob(self, descriptor: Descriptor) -> BinaryIO:
        """Return the bytes of a layer or config (see `ImageSource`)."""
        algorithm, _, digits = descriptor.digest.partition(":")
        return verified(self._files.open(f"blobs/{algorithm}/{digits}"), descriptor, self.name)

    def _root(self, index: Mapping[str, Any], platform: Platform) -> Descriptor:
        everything = listed(index, "manifests", f"{self.name}: index.json")
        tables = [one for one in everything if isinstance(one, dict)]
        if self._ref:
            tables = [one for one in tables if self._ref in _names(one)]
        found = [Descriptor.from_dict(one, f"{self.name}: index.json") for one in tables]
        if len({one.digest for one in found}) == 1:
            return found[0]
        known = ", ".join(sorted({name for one in everything for name in _names(one)})) or "none"
        if not found:
            raise DefinitionError(f"{self.name}: there is no such image; its names are: {known}")
        if all(one.platform for one in found):
            return choose(self.name, {"manifests": tables}, platform)
        raise DefinitionError(f"{self._files.name} holds {len(found)} images", hint=f"say which one: {known}")

    def _fetch(self, descriptor: Descriptor) -> bytes:
        if descriptor.size > _LARGEST_CONFIG:
            raise IntegrityError(f"{self.name}: {descriptor.digest} says that it has {descriptor.size} bytes")
        with self.blob(descriptor) as file:
            return file.read()


@dataclass(frozen=True, slots=True)
class _Member:
    descriptor: Descriptor
    path: str


class DockerArchiveSource:
    """An image in the format of `docker save`. Its manifest is made here, from the content alone, as an OCI manifest."""

    def __init__(self, files: Files, ref: str = "") -> None:
        """Take the files of the archive and, where it holds several images, the tag of one."""
        self._files, self._ref = files, ref
        self.name = f"{files.name}:{ref}" if ref else files.name
        self._paths: dict[str, str] = {}

    def resolve(self, platform: Platform) -> ResolvedImage:
        """Return the image for `platform` (see `ImageSource`)."""
        entry = self._entry()
        config = self._read(str(entry.get("Config", "")))
        diff_ids = (parse_config(config, f"{self.name}: config").get("rootfs") or {}).get("diff_ids") or []
        paths = [str(path) for path in listed(entry, "Layers", self.name)]
        if len(paths) != len(diff_ids):
            raise IntegrityError(f"{self.name}: {len(paths)} layers, but the config names {len(diff_ids)}")
        layers = [self._layer(path, str(diff_id)) for path, diff_id in zip(paths, diff_ids, strict=True)]
        self._paths = {one.descriptor.digest: one.path for one in layers}
        described = Descriptor.of(config, "application/vnd.oci.image.config.v1+json")
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": described.to_dict(),
                "layers": [one.descriptor.to_dict() for one in layers],
            },
            separators=(",", ":"),
        ).encode()
        known = {described.digest: config, digest_of(manifest): manifest}
        return resolve_image(self.name, Descriptor.of(manifest, OCI_MANIFEST), lambda one: known[one.digest], platform)

    def blob(self, descriptor: Descriptor) -> BinaryIO:
        """Return the bytes of a layer (see `ImageSource`)."""
        path = self._paths.get(descriptor.digest)
        if path is None:
            raise IntegrityError(f"{self.name}: it has no layer {descriptor.digest}")
        return verified(self._files.open(path), descriptor, self.name)

    def _entry(self) -> Mapping[str, Any]:
        with self._files.open("manifest.json") as file:
            wrapped = b'{"images":' + file.read(LARGEST_MANIFEST) + b"}"
        place = f"{self.name}: manifest.json"
        entries = [one for one in listed(parse_object(wrapped, place), "images", place) if isinstance(one, dict)]
        tags = [[str(tag) for tag in listed(one, "RepoTags", place)] for one in entries]
        found = [one for one, its in zip(entries, tags, strict=True) if not self._ref or self._ref in its]
        if len(found) == 1:
            return cast("Mapping[str, Any]", found[0])
        known = ", ".join(tag for its in tags for tag in its) or "none"
        said = "there is no such image" if not found else f"it holds {len(found)} images: say which one"
        raise DefinitionError(f"{self.name}: {said}; its names are: {known}")

    def _read(self, path: str) -> bytes:
        with self._files.open(path) as file:
            data = file.read(_LARGEST_CONFIG)
        digits = posixpath.basename(path).removesuffix(".json")
        return check_digest(data, f"sha256:{digits}", f"{self.name}: {path}") if len(digits) == 64 else data

    def _layer(self, path: str, diff_id: str) -> _Member:
        with self._files.open(path) as file:
            start, size = file.read(2), file.seek(0, io.SEEK_END)
            if start != b"\x1f\x8b":
                layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": diff_id, "size": size}
                return _Member(Descriptor.from_dict(layer, f"{self.name}: config"), path)
            file.seek(0)
            digest = _digest_of_file(file)
        return _Member(
            Descriptor(media_type="application/vnd.oci.image.layer.v1.tar+gzip", digest=digest, size=size), path
        )


class _Slice(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._start, self._size = start, size
        self._file.seek(start)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._file.tell() - self._start, io.SEEK_END: self._size}[whence]
        return self._file.seek(self._start + max(0, origin + offset)) - self._start

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        left = self._start + self._size - self._file.tell()
        data = self._file.read(max(0, min(len(buffer), left)))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _digest_of_file(file: BinaryIO) -> str:
    import hashlib

    found = hashlib.sha256()
    while chunk := file.read(1 << 20):
        found.update(chunk)
    return f"sha256:{found.hexdigest()}"


def _target(name: str, member: tarfile.TarInfo) -> str:
    link = member.linkname
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), link) if member.issym() else link)


def _names(entry: Mapping[str, Any]) -> list[str]:
    annotations = entry.get("annotations")
    if not isinstance(annotations, dict):
        return []
    return [str(annotations[key]) for key in _REF_NAMES if key in annotations]

"""Where an assembled image goes: an OCI layout, an archive of either kind, a registry, a docker engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from envbuild.core.errors import FileError
from envbuild.core.progress import SILENT, Progress
from envbuild.core.reference import ImageReference
from envbuild.engines.docker_socket import in_memory
from envbuild.engines.oci.assemble import Assembled
from envbuild.engines.oci.docker_archive import docker_archive
from envbuild.engines.oci.store import LAYOUT, REF_NAME, Store
from envbuild.engines.oci.tar import Places, TarWriter
from envbuild.files import new_file, new_folder
from envbuild.net.images import Descriptor, ImageSource
from envbuild.net.media_types import OCI_INDEX
from envbuild.net.registry import RegistryClient
from envbuild.net.registry_push import Blob, push_blobs, push_manifest


def write_layout(image: Assembled, store: Store, folder: Path, names: Sequence[str]) -> None:
    """Write `image` as an OCI layout; where `folder` is one already, the image is added to it under `names`.

    Raises:
        FileError: it cannot be written.
    """
    if (folder / "index.json").is_file():
        _fill(image, store, folder)
        Store(root=folder).name(names, image.manifest)
        return
    with new_folder(folder) as new:
        _fill(image, store, new)
        (new / "oci-layout").write_bytes(LAYOUT)
        (new / "index.json").write_bytes(_index(image.manifest, names))


def write_oci_archive(image: Assembled, store: Store, path: Path, names: Sequence[str]) -> None:
    """Write `image` as an `oci-archive`: a layout in one tar, the same bytes for the same image and names.

    Raises:
        FileError: it cannot be written; nothing is left then.
    """
    with _new_file(path) as file:
        tar = TarWriter(file.write, _FLAT)
        tar.content("oci-layout", LAYOUT)
        tar.content("index.json", _index(image.manifest, names))
        for data, descriptor in ((image.manifest_data, image.manifest), (image.config_data, image.config)):
            tar.content(_blob_name(descriptor), data)
        for descriptor in dict.fromkeys(image.blobs):
            with image.opener(store, descriptor)() as blob:
                tar.file(_blob_name(descriptor), descriptor.size, blob)
        tar.end()


def write_docker_archive(image: Assembled, store: Store, path: Path, names: Sequence[str]) -> None:
    """Write `image` as what `docker load` reads.

    Raises:
        FileError: it cannot be written; nothing is left then.
    """
    with _new_file(path) as file:
        file.writelines(in_memory(docker_archive(image, image.config_data, store, names).pieces()))


def push(
    image: Assembled, store: Store, client: RegistryClient, names: Sequence[str], progress: Progress = SILENT
) -> None:
    """Push `image` under each of `names`: first what is missing of its blobs, then the manifest.

    Raises:
        NetworkError: a registry cannot be asked, refuses, or does not take something.
    """
    done: set[str] = set()
    for reference in map(ImageReference.parse, names):
        if reference.name not in done:
            done.add(reference.name)
            push_blobs_of(image, store, client, reference, progress)
        tagged_reference = reference.with_tag(reference.tag or "latest")
        push_manifest(client, tagged_reference, image.manifest_data, image.manifest.media_type)


def push_blobs_of(
    image: Assembled, store: Store, client: RegistryClient, reference: ImageReference, progress: Progress = SILENT
) -> None:
    """See to it that the repository of `reference` has the configuration and all layers of `image`.

    Raises:
        NetworkError: the registry cannot be asked, refuses, or does not take something.
    """
    origin = _origin(image.source, reference)
    blobs = [
        Blob(descriptor=one, open=image.opener(store, one), origin=origin if one in image.base.layers else "")
        for one in (image.config, *image.blobs)
    ]
    push_blobs(client, reference, blobs, progress=progress)


def _origin(source: ImageSource, target: ImageReference) -> str:
    reference = getattr(source, "reference", None)
    same = isinstance(reference, ImageReference) and reference.registry == target.registry
    return reference.repository if same and reference is not None else ""


class _Flat(Places):
    """An archive's own paths: what lies above a file needs no entry."""

    def missing(self, path: str) -> Iterator[str]:
        """Yield nothing."""
        del path
        return iter(())


_FLAT = _Flat()


def _blob_name(descriptor: Descriptor) -> str:
    return f"blobs/{descriptor.digest.replace(':', '/')}"


def _index(manifest: Descriptor, names: Sequence[str]) -> bytes:
    entries = [{**manifest.to_dict(), "annotations": {REF_NAME: name}} for name in dict.fromkeys(names)]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _fill(image: Assembled, store: Store, folder: Path) -> None:
    target = Store(root=folder)
    target.add(image.config_data, image.config.media_type)
    for descriptor in dict.fromkeys(image.blobs):
        path = target.blob_path(descriptor.digest)
        if not (path.is_file() and path.stat().st_size == descriptor.size):
            with image.opener(store, descriptor)() as blob, _new_file(path) as file:
                shutil.copyfileobj(blob, file, 1 << 20)
    target.add(image.manifest_data, image.manifest.media_type)


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that becomes `path` when the block ends well, and vanishes when it does not."""
    try:
        with new_file(path) as file:
            yield file
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error

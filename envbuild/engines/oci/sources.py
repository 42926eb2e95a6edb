"""Where a base image comes from, with what was fetched of it remembered: a registry, an OCI layout or an archive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from envbuild.core.errors import IntegrityError
from envbuild.core.lock import LockedBase
from envbuild.core.platforms import Platform
from envbuild.core.reference import ImageReference
from envbuild.engines.oci.store import Store
from envbuild.net.images import Descriptor, ImageSource, ResolvedImage, resolve_image
from envbuild.net.layers import verified
from envbuild.net.media_types import MANIFEST_TYPES, OCI_MANIFEST
from envbuild.net.oci_layout import image_source
from envbuild.net.registry import RegistryClient

_FILES = ("oci:", "oci-archive:", "docker-archive:")


def base_source(base: LockedBase, root: Path, client: RegistryClient, store: Store) -> ImageSource:
    """Return where the base of a lock is; `oci:FOLDER`, `oci-archive:FILE` and `docker-archive:FILE` are below `root`.

    Raises:
        DefinitionError: the reference is not understood, or the file is no image.
    """
    scheme = next((one for one in _FILES if base.reference.startswith(one)), "")
    if scheme:
        return image_source(root / base.reference[len(scheme) :].partition("@")[0])
    reference = ImageReference.parse(base.reference)
    pinned = reference.with_digest(base.digest) if base.digest else reference
    return RememberedSource(client=client, reference=pinned, store=store)


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedSource:
    """An image in a registry; what has a digest is asked for once."""

    client: RegistryClient
    reference: ImageReference
    store: Store

    def resolve(self, platform: Platform) -> ResolvedImage:
        """Return the image for `platform` (see `ImageSource`)."""
        if not self.reference.digest:
            return self.client.resolve(self.reference, platform)
        root = Descriptor(media_type=OCI_MANIFEST, digest=self.reference.digest, size=0)
        return resolve_image(str(self.reference), root, self._fetch, platform)

    def blob(self, descriptor: Descriptor) -> BinaryIO:
        """Return the bytes of a layer (see `ImageSource`), through the download cache."""
        path = self.client.cached_blob(self.reference, descriptor)
        return verified(path.open("rb"), descriptor, str(self.reference))

    def _fetch(self, descriptor: Descriptor) -> bytes:
        known = self.store.read(descriptor)
        if known is not None:
            return known
        if descriptor.media_type in MANIFEST_TYPES:
            data = self.client.manifest(self.reference.with_digest(descriptor.digest))[1]
        else:
            data = self.client.small_blob(self.reference, descriptor)
        if self.store.add(data, descriptor.media_type).digest != descriptor.digest:
            raise IntegrityError(f"{self.reference}: {descriptor.digest} is something else")
        return data

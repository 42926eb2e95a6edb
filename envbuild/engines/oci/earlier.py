"""What the store knows of images that were made before: the one of a key, and the layers of an earlier one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from envbuild.core.errors import EnvbuildError, NetworkError
from envbuild.core.platforms import Platform
from envbuild.core.reference import ImageReference
from envbuild.engines.oci.annotations import PACKAGES
from envbuild.engines.oci.store import Store
from envbuild.net.images import Descriptor, listed
from envbuild.net.registry import RegistryClient


def previous_packages(
    name: str, store: Store, client: RegistryClient, platform: Platform
) -> tuple[tuple[str, ...], ...]:
    """Return the names of the packages in each layer of the earlier image `name`, bottom first.

    It is looked for in the store, then in its registry.

    Raises:
        EnvbuildError: there is no such image.
    """
    named = store.named(name)
    data = store.read(named) if named is not None else None
    if data is None:
        try:
            data = client.resolve(ImageReference.parse(name), platform).manifest
        except NetworkError as error:
            raise EnvbuildError(f"no earlier image {name} to append to, neither here nor in a registry") from error
    return packages_of(json.loads(data))


def packages_of(manifest: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Return the names of the packages in each layer that `manifest` says has some."""
    layers = [Descriptor.from_dict(one, "manifest: layers") for one in listed(manifest, "layers", "manifest")]
    texts = [dict(one.annotations).get(PACKAGES, "") for one in layers]
    return tuple(tuple(part.partition("==")[0] for part in text.split()) for text in texts if text)


def stored(store: Store, name: str, annotations: Mapping[str, str]) -> tuple[Descriptor, dict[str, Any]] | None:
    """Return the manifest that the store has as `name`, where it has `annotations` (key, settings) and is whole."""
    descriptor = store.named(name)
    data = store.read(descriptor) if descriptor is not None else None
    if descriptor is None or data is None:
        return None
    manifest: dict[str, Any] = json.loads(data)
    own = [Descriptor.from_dict(one, name) for one in manifest.get("layers") or () if one.get("annotations")]
    whole = all(_is_there(store, one) for one in own)
    fits = annotations.items() <= (manifest.get("annotations") or {}).items()
    return (descriptor, manifest) if whole and fits else None


def _is_there(store: Store, descriptor: Descriptor) -> bool:
    path = store.blob_path(descriptor.digest)
    return path.is_file() and path.stat().st_size == descriptor.size

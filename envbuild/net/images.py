"""What an image is made of (OCI image specification 1.1), and choosing the manifest of one platform. Asks a source, whatever it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from envbuild.core.errors import DefinitionError, IntegrityError
from envbuild.core.platforms import Platform
from envbuild.core.reference import is_digest
from envbuild.net.image_config import check_config
from envbuild.net.media_types import OCI_MANIFEST

LARGEST_MANIFEST = 4 << 20
"""Bytes: what the distribution specification asks a registry to take at least."""

_DEEPEST_INDEX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """Points to content. `size` is in bytes; `platform` is `os/architecture[/variant]`, empty where not said."""

    media_type: str
    digest: str
    size: int
    platform: str = ""
    artifact_type: str = ""
    annotations: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, data: bytes, media_type: str) -> Descriptor:
        """Return the descriptor of `data`."""
        return cls(media_type=media_type, digest=digest_of(data), size=len(data))

    @classmethod
    def from_dict(cls, value: object, place: str) -> Descriptor:
        """Read a descriptor of a manifest; `place` is what a message calls it.

        Raises:
            IntegrityError: it is none.
        """
        table: Mapping[str, Any] = value if isinstance(value, dict) else {}
        digest, size = table.get("digest"), table.get("size")
        if not isinstance(digest, str) or not is_digest(digest) or not isinstance(size, int) or size < 0:
            raise IntegrityError(f"{place}: a digest and a size are expected, found {str(value)[:120]}")
        return cls(
            media_type=str(table.get("mediaType", "")),
            digest=digest,
            size=size,
            platform=_platform(table.get("platform")),
            artifact_type=str(table.get("artifactType", "")),
            annotations=_annotations(table.get("annotations")),
        )

    def to_dict(self) -> dict[str, object]:
        """Return the descriptor as a manifest holds it."""
        os, _, rest = self.platform.partition("/")
        architecture, _, variant = rest.partition("/")
        platform = {"architecture": architecture, "os": os} | ({"variant": variant} if variant else {})
        full: dict[str, object] = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
            "platform": platform if self.platform else None,
            "artifactType": self.artifact_type,
            "annotations": dict(self.annotations),
        }
        return {name: value for name, value in full.items() if value or name == "size"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedImage:
    """One image for one platform, by digest. `index_digest` is empty where the name leads to the manifest itself."""

    name: str
    index_digest: str
    descriptor: Descriptor
    manifest: bytes = field(repr=False)
    config: bytes = field(repr=False)
    config_descriptor: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def digest(self) -> str:
        """The digest of the platform's manifest."""
        return self.descriptor.digest

    @property
    def pin(self) -> str:
        """The digest to write behind the name so that it means this image on every platform: the index's, if there is one."""
        return self.index_digest or self.digest

    @property
    def media_type(self) -> str:
        """The media type of the manifest."""
        return self.descriptor.media_type

    @property
    def size(self) -> int:
        """What a registry sends for all of it, in bytes (compressed)."""
        return self.config_descriptor.size + sum(layer.size for layer in self.layers)

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The image configuration: `config`, `rootfs`, `history`, `architecture`, `os`."""
        return parse_config(self.config, f"{self.name}: config")

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The digests of the uncompressed layers, bottom first."""
        return tuple((self.configuration.get("rootfs") or {}).get("diff_ids") or ())


class ImageSource(Protocol):
    """Where an image is: a registry, an OCI layout, an archive."""

    def resolve(self, platform: Platform) -> ResolvedImage:
        """Return the image for `platform`.

        Raises:
            NetworkError, IntegrityError, DefinitionError: it is not there, is damaged, or has no such platform.
        """
        ...

    def blob(self, descriptor: Descriptor) -> BinaryIO:
        """Return the bytes of a layer or config; the caller closes it. Its end is reached only if the digest is right.

        Raises:
            NetworkError, IntegrityError: it cannot be had, or (while reading) is something else.
        """
        ...


def digest_of(data: bytes) -> str:
    """Return the digest of `data` (`sha256:…`)."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def check_digest(data: bytes, digest: str, place: str) -> bytes:
    """Return `data` when it has `digest`.

    Raises:
        IntegrityError: it has another.
    """
    algorithm, _, expected = digest.partition(":")
    found = hashlib.new(algorithm, data).hexdigest()
    if found != expected:
        raise IntegrityError(f"{place}: the content has digest {algorithm}:{found}, promised was {digest}")
    return data


def parse_object(data: bytes, place: str) -> dict[str, Any]:
    """Return the JSON object in `data`.

    Raises:
        IntegrityError: it is none.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise IntegrityError(f"{place}: not JSON") from None
    if not isinstance(value, dict):
        raise IntegrityError(f"{place}: a JSON object is expected")
    return value


def parse_config(data: bytes, place: str) -> dict[str, Any]:
    """Return the image configuration in `data`.

    Raises:
        IntegrityError: it is none.
    """
    return check_config(parse_object(data, place), place)


def listed(document: Mapping[str, Any], name: str, place: str) -> list[Any]:
    """Return the list called `name` of a manifest or index; an empty one where there is none.

    Raises:
        IntegrityError: it is no list.
    """
    value = document.get(name)
    if value is not None and not isinstance(value, list):
        raise IntegrityError(f"{place}: {name} is not a list")
    return value or []


def resolve_image(
    name: str, root: Descriptor, fetch: Callable[[Descriptor], bytes], platform: Platform
) -> ResolvedImage:
    """Follow `root` through indexes to the manifest for `platform`; `fetch` returns verified content.

    Raises:
        DefinitionError: the image has no such platform, or is of a kind that is not supported.
        IntegrityError: what was found is no image.
    """
    descriptor, index_digest = root, ""
    for _ in range(_DEEPEST_INDEX):
        data = fetch(descriptor)
        document = parse_object(data, f"{name}: manifest {descriptor.digest}")
        if "manifests" not in document:
            image = _from_manifest(name, index_digest, descriptor, data, fetch)
            _check_platform(image, platform)
            return image
        if "layers" in document or "config" in document:
            raise IntegrityError(f"{name}: {descriptor.digest} claims to be an index and a manifest at once")
        index_digest = index_digest or descriptor.digest
        descriptor = choose(name, document, platform)
    raise IntegrityError(f"{name}: indexes are nested more than {_DEEPEST_INDEX} deep")


def choose(name: str, index: Mapping[str, Any], platform: Platform) -> Descriptor:
    """Return the entry of `index` for `platform`: of several, the one without a variant or with the usual one.

    Raises:
        DefinitionError: none is for `platform`; the message names those that there are.
    """
    place = f"{name}: index"
    entries = [Descriptor.from_dict(one, place) for one in listed(index, "manifests", place)]
    usual = ("", "v8") if platform.oci.endswith("/arm64") else ("",)
    for variant in usual:
        exact = "/".join(part for part in (platform.oci, variant) if part)
        if found := next((one for one in entries if one.platform == exact), None):
            return found
    if found := next((one for one in entries if one.platform.startswith(f"{platform.oci}/")), None):
        return found
    images = [one for one in entries if not one.platform.startswith("unknown/")]
    if len(images) == 1 and not images[0].platform:
        return images[0]
    raise _wrong_platform(name, platform, ", ".join(sorted({one.platform or "(not said)" for one in images})) or "none")


def _from_manifest(
    name: str, index_digest: str, descriptor: Descriptor, data: bytes, fetch: Callable[[Descriptor], bytes]
) -> ResolvedImage:
    document = parse_object(data, f"{name}: manifest")
    if document.get("schemaVersion") != 2 or "config" not in document:
        raise DefinitionError(
            f"{name}: its manifest is of an old or unknown kind (schema {document.get('schemaVersion')})"
        )
    place = f"{name}: manifest {descriptor.digest}"
    config = Descriptor.from_dict(document["config"], f"{place}: config")
    found = listed(document, "layers", place)
    layers = [Descriptor.from_dict(one, f"{place}: layers[{at}]") for at, one in enumerate(found)]
    media_type = str(document.get("mediaType") or descriptor.media_type or OCI_MANIFEST)
    return ResolvedImage(
        name=name,
        index_digest=index_digest,
        descriptor=Descriptor(
            media_type=media_type, digest=descriptor.digest, size=len(data), platform=descriptor.platform
        ),
        manifest=data,
        config=fetch(config),
        config_descriptor=config,
        layers=tuple(layers),
    )


def _check_platform(image: ResolvedImage, platform: Platform) -> None:
    found = _platform(image.configuration)
    if found and "/".join(found.split("/")[:2]) != platform.oci:
        raise _wrong_platform(image.name, platform, found)


def _wrong_platform(name: str, platform: Platform, found: str) -> DefinitionError:
    return DefinitionError(
        f"image {name} is not for {platform.oci}: it is for {found}",
        hint="name another base, or other platforms",
    )


def _annotations(value: object) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, str(one)) for key, one in value.items())) if isinstance(value, dict) else ()


def _platform(value: object) -> str:
    if not isinstance(value, dict) or not value.get("os") or not value.get("architecture"):
        return ""
    return "/".join(str(value[key]) for key in ("os", "architecture", "variant") if value.get(key))

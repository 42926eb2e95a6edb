"""Putting an image into the local registry, without an engine: the few requests of the OCI distribution specification."""

from __future__ import annotations

import gzip
import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
IMAGE_INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A gzipped tar and the digest of the tar itself."""

    content: bytes
    diff_id: str

    @classmethod
    def of(cls, tar: bytes) -> Layer:
        """Compress `tar`, with equal bytes for equal tars."""
        return cls(content=gzip.compress(tar, compresslevel=4, mtime=0), diff_id=digest(tar))


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Layers, and the config without the parts that follow from them (`rootfs`, `history`)."""

    layers: tuple[Layer, ...]
    config: Mapping[str, object]


def digest(content: bytes) -> str:
    """Return `sha256:<hex>`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push(registry: str, repository: str, tag: str, image: Image, *, as_index: bool = False) -> str:
    """Push `image` and return the digest that `tag` then has; `as_index` puts the manifest into an image index."""
    rootfs = {"type": "layers", "diff_ids": [layer.diff_id for layer in image.layers]}
    # optional in the specification, but buildah 1.28 does not build on an image without it
    history = [{"created_by": "envbuild's tests"} for _ in image.layers]
    config = _json({**image.config, "rootfs": rootfs, "history": history})
    for blob in (config, *(layer.content for layer in image.layers)):
        _push_blob(registry, repository, blob)
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, config),
            "layers": [_descriptor(LAYER, layer.content) for layer in image.layers],
        }
    )
    if not as_index:
        return _push_manifest(registry, repository, tag, MANIFEST, manifest)
    _push_manifest(registry, repository, digest(manifest), MANIFEST, manifest)
    platform = {"os": image.config["os"], "architecture": image.config["architecture"]}
    listed = [{**_descriptor(MANIFEST, manifest), "platform": platform}]
    index = _json({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": listed})
    return _push_manifest(registry, repository, tag, IMAGE_INDEX, index)


def _push_manifest(registry: str, repository: str, reference: str, media_type: str, content: bytes) -> str:
    _request("PUT", f"http://{registry}/v2/{repository}/manifests/{reference}", content, media_type)
    return digest(content)


def _push_blob(registry: str, repository: str, content: bytes) -> None:
    base = f"http://{registry}/v2/{repository}/blobs"
    try:
        _request("HEAD", f"{base}/{digest(content)}")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        location = _request("POST", f"{base}/uploads/", b"")["Location"]
        _request("PUT", f"{location}&digest={digest(content)}", content, "application/octet-stream")


def _request(method: str, url: str, content: bytes | None = None, content_type: str = "") -> Mapping[str, str]:
    headers = {"Content-Type": content_type} if content_type else {}
    request = urllib.request.Request(url, data=content, method=method, headers=headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        return dict(answer.headers.items())


def _descriptor(media_type: str, content: bytes) -> dict[str, Sequence[object] | str | int]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def _json(data: object) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()

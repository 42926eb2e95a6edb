"""The image key's tag in a registry: looked up before anything is built, given to what was pushed. For every engine.

It is the cache that a whole company shares: who has the same lock finds the image that another has built.
"""

from __future__ import annotations

from collections.abc import Sequence

from envbuild.core.reference import ImageReference
from envbuild.net.media_types import OCI_MANIFEST
from envbuild.net.registry import RegistryClient
from envbuild.net.registry_push import push_manifest


def key_tag(image_key: str) -> str:
    """Return the tag under which a registry keeps the image of `image_key`."""
    return f"envbuild_{image_key[:32]}"


def reuse_from_registry(client: RegistryClient, names: Sequence[str], image_key: str) -> str:
    """Return the manifest digest of the image of `image_key` where the registry of every one of `names` has it, else nothing.

    Where only a name of it is missing, the name is given; nothing else is written.

    Raises:
        NetworkError: a registry cannot be asked or refuses.
    """
    digests: list[str] = []
    for name in names:
        reference = ImageReference.parse(name)
        keyed = reference.with_tag(key_tag(image_key))
        digest = client.digest(keyed, pushing=True)
        if digest is None:
            return ""
        wanted = reference.with_tag(reference.tag or "latest")
        if wanted != keyed and client.digest(wanted, pushing=True) != digest:
            _name(client, keyed, digest, wanted)
        digests.append(digest)
    return digests[0] if digests else ""


def mark_with_key(client: RegistryClient, names: Sequence[str], image_key: str) -> str:
    """Give what the registry has under each of `names` the tag of its key too; return the first one's digest.

    Raises:
        NetworkError: a registry cannot be asked or refuses.
    """
    found = ""
    for name in names:
        reference = ImageReference.parse(name)
        digest = client.digest(reference.with_tag(reference.tag or "latest"), pushing=True) or ""
        if digest:
            _name(client, reference, digest, reference.with_tag(key_tag(image_key)))
        found = found or digest
    return found


def _name(client: RegistryClient, known: ImageReference, digest: str, wanted: ImageReference) -> None:
    found, data = client.manifest(known.with_digest(digest))
    push_manifest(client, wanted, data, found.media_type or OCI_MANIFEST)

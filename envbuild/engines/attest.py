"""What is said of an image beside it: its bill of materials and its provenance, as OCI referrers (distribution spec 1.1).

Nothing in them depends on when or where they were made: the same image has the same.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path

from envbuild.core.plan import Plan
from envbuild.core.reference import ImageReference
from envbuild.formats.statements import image_bill, image_statements
from envbuild.net.images import Descriptor
from envbuild.net.media_types import OCI_MANIFEST
from envbuild.net.registry import RegistryClient
from envbuild.net.registry_push import Blob, attach, push_blob
from envbuild.signing.keys import KEY, KeySigner

SBOM_TYPE, STATEMENT_TYPE = "application/vnd.cyclonedx+json", "application/vnd.in-toto+json"
_EMPTY_TYPE, _EMPTY = "application/vnd.oci.empty.v1+json", b"{}"


def attach_all(
    client: RegistryClient,
    reference: ImageReference,
    subject: Descriptor,
    plan: Plan,
    environ: Mapping[str, str] = os.environ,
) -> tuple[str, ...]:
    """Push the bill of materials and the provenance of `subject`, which is in the repository of `reference`.

    With `ENVBUILD_SIGNING_KEY` both are pushed once more as signed statements, as `envbuild verify` wants them. Returns the
    digests of the manifests.

    Raises:
        NetworkError, IntegrityError: the registry refuses.
        EnvbuildError: the key cannot be used.
    """
    sbom = image_bill(plan)
    statements = image_statements(plan, reference.name, subject.digest)
    documents = [(SBOM_TYPE, sbom.encode()), (STATEMENT_TYPE, statements[0])]
    if key := environ.get(KEY):
        signer = KeySigner.from_file(Path(key), environ)
        documents += [(signer.media_type, signer.sign(one).encode()) for one in statements]
    return tuple(_attach(client, reference, subject, kind, data) for kind, data in documents)


def _attach(client: RegistryClient, reference: ImageReference, subject: Descriptor, kind: str, data: bytes) -> str:
    empty, blob = Descriptor.of(_EMPTY, _EMPTY_TYPE), Descriptor.of(data, kind)
    for descriptor, content in ((empty, _EMPTY), (blob, data)):
        push_blob(client, reference, Blob(descriptor=descriptor, open=lambda content=content: io.BytesIO(content)))  # type: ignore[misc]
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": empty.to_dict(),
        "layers": [blob.to_dict()],
        "subject": Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size).to_dict(),
    }
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    return attach(client, reference.with_digest(subject.digest), text, OCI_MANIFEST).digest

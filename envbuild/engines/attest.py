"""What is said of an image beside it: its bill of materials and its provenance, as OCI referrers (distribution spec 1.1).

Nothing in them depends on when or where they were made: the same image has the same.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

from envbuild.core.plan import Plan
from envbuild.core.reference import ImageReference
from envbuild.formats.cyclonedx import write_cyclonedx
from envbuild.net.images import OCI_MANIFEST, Descriptor
from envbuild.net.registry import RegistryClient
from envbuild.net.registry_push import Blob, attach, push_blob

SBOM_TYPE, STATEMENT_TYPE = "application/vnd.cyclonedx+json", "application/vnd.in-toto+json"
_EMPTY_TYPE, _EMPTY = "application/vnd.oci.empty.v1+json", b"{}"
_BUILD_TYPE = "https://github.com/envbuild/envbuild/blob/main/docs/oci.md#provenance"
_BUILDER = "https://github.com/envbuild/envbuild"


def attach_all(client: RegistryClient, reference: ImageReference, subject: Descriptor, plan: Plan) -> tuple[str, ...]:
    """Push the bill of materials and the provenance of `subject`, which is in the repository of `reference`.

    Returns the digests of the two manifests.

    Raises:
        NetworkError, IntegrityError: the registry refuses.
    """
    sbom = write_cyclonedx(plan.lock, plan.selection.platform.subdir, plan.definition.name or "environment")
    documents = ((SBOM_TYPE, sbom.encode()), (STATEMENT_TYPE, provenance(plan, reference, subject)))
    return tuple(_attach(client, reference, subject, kind, data) for kind, data in documents)


def provenance(plan: Plan, reference: ImageReference, subject: Descriptor) -> bytes:
    """Return an in-toto statement (v1) with SLSA provenance (v1): what the image was made of, by hash."""
    algorithm, _, digest = subject.digest.partition(":")
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": reference.name, "digest": {algorithm: digest}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD_TYPE,
                "externalParameters": {
                    "definitionHash": plan.lock.definition_hash,
                    "imageKey": plan.image_key,
                    "platform": plan.selection.platform.oci,
                },
                "resolvedDependencies": list(_dependencies(plan)),
            },
            "runDetails": {"builder": {"id": _BUILDER}},
        },
    }
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _dependencies(plan: Plan) -> Iterator[dict[str, object]]:
    base = plan.lock.base
    if base.digest:
        algorithm, _, digest = base.digest.partition(":")
        yield {"uri": f"oci://{base.reference.partition('@')[0]}", "digest": {algorithm: digest}}
    for package in plan.selection.conda:
        hashes = {"sha256": package.sha256, "md5": package.md5}
        yield {"uri": package.url, "digest": {name: value for name, value in hashes.items() if value}}
    for chosen in plan.selection.pip:
        if chosen.file is not None:
            yield {"uri": chosen.file.url or chosen.file.filename, "digest": dict(chosen.file.hashes)}


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

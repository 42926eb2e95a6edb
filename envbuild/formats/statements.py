"""What is attested of a lock or an image: in-toto statements (v1) with SLSA provenance (v1) or a CycloneDX bill of materials (1.6).

Nothing in them depends on when or where they were made: the same lock or image has the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from envbuild.core.keys import canonical
from envbuild.core.lock import Lock
from envbuild.core.plan import Plan
from envbuild.formats.cyclonedx import write_cyclonedx

STATEMENT, PROVENANCE, SBOM = (
    "https://in-toto.io/Statement/v1",
    "https://slsa.dev/provenance/v1",
    "https://cyclonedx.org/bom",
)
_HOME = "https://github.com/envbuild/envbuild"
_LOCK_BUILD = f"{_HOME}/blob/main/docs/security.md#attestations"
_IMAGE_BUILD = f"{_HOME}/blob/main/docs/oci.md#provenance"


def lock_statements(lock: Lock, name: str, sha256: str) -> tuple[bytes, bytes]:
    """Return provenance and bill of materials of the lock file `name`, whose bytes have `sha256`, each as canonical JSON."""
    facts = {
        "definitionHash": lock.definition_hash,
        "platforms": list(lock.platforms),
        "channels": list(lock.channels),
        "indexes": [*lock.extra_index_urls, *([lock.index_url] if lock.index_url else [])],
        "excludeNewer": lock.exclude_newer,
        "solver": lock.solver,
        "pipResolver": lock.pip_resolver,
    }
    sources: list[dict[str, object]] = [{"uri": one.path, "digest": {"sha256": one.sha256}} for one in lock.sources]
    subject = _subject(name, f"sha256:{sha256}")
    made = _provenance(_LOCK_BUILD, facts, [*sources, *_base(lock)])
    return _statement(subject, PROVENANCE, made), _statement(
        subject, SBOM, json.loads(write_cyclonedx(lock, name=name))
    )


def image_statements(plan: Plan, name: str, digest: str) -> tuple[bytes, bytes]:
    """Return provenance and bill of materials of the image `name` (of no tag) with `digest`, which was made from `plan`."""
    facts = {
        "definitionHash": plan.lock.definition_hash,
        "imageKey": plan.image_key,
        "platform": plan.selection.platform.oci,
    }
    subject = _subject(name, digest)
    sbom = image_bill(plan)
    made = _provenance(_IMAGE_BUILD, facts, list(_materials(plan)))
    return _statement(subject, PROVENANCE, made), _statement(subject, SBOM, json.loads(sbom))


def image_bill(plan: Plan) -> str:
    """Return the bill of materials of the image of `plan`."""
    name = plan.definition.name or "environment"
    return write_cyclonedx(plan.lock, plan.selection.platform.subdir, name, code=plan.chosen_code)


def read_statement(payload: bytes) -> tuple[str, Mapping[str, str]]:
    """Return what kind of predicate an in-toto statement has, and its subjects: `algorithm:digest` to name.

    Raises:
        ValueError: it is no statement of version 1.
    """
    found = json.loads(payload)
    if (
        not isinstance(found, dict)
        or found.get("_type") != STATEMENT
        or not isinstance(found.get("predicateType"), str)
    ):
        raise ValueError("it is no in-toto statement of version 1")
    subjects: dict[str, str] = {}
    for one in found.get("subject") or ():
        digests = one.get("digest") if isinstance(one, dict) else None
        for algorithm, digest in digests.items() if isinstance(digests, dict) else ():
            subjects[f"{algorithm}:{digest}"] = str(one.get("name", ""))
    return str(found["predicateType"]), subjects


def _statement(subject: Mapping[str, Any], kind: str, predicate: Mapping[str, Any]) -> bytes:
    return canonical({"_type": STATEMENT, "subject": [subject], "predicateType": kind, "predicate": predicate})


def _subject(name: str, digest: str) -> dict[str, Any]:
    algorithm, _, value = digest.partition(":")
    return {"name": name, "digest": {algorithm: value}}


def _provenance(kind: str, facts: Mapping[str, Any], materials: list[dict[str, object]]) -> dict[str, Any]:
    return {
        "buildDefinition": {
            "buildType": kind,
            "externalParameters": {key: value for key, value in facts.items() if value},
            "resolvedDependencies": materials,
        },
        "runDetails": {"builder": {"id": _HOME}},
    }


def _materials(plan: Plan) -> Iterator[dict[str, object]]:
    yield from _base(plan.lock)
    for package in plan.selection.conda:
        hashes = {"sha256": package.sha256, "md5": package.md5}
        yield {"uri": package.url, "digest": {name: value for name, value in hashes.items() if value}}
    for chosen in (*plan.selection.pip, *plan.selection.code):
        if chosen.file is not None:
            yield {"uri": chosen.file.url or chosen.file.filename, "digest": dict(chosen.file.hashes)}


def _base(lock: Lock) -> Iterator[dict[str, object]]:
    if lock.base.digest:
        yield {
            "uri": f"oci://{lock.base.reference.partition('@')[0]}",
            "digest": dict([lock.base.digest.split(":", 1)]),
        }

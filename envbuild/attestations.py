"""Attestations of locks and images: where they lie, and whether what they say is about exactly these bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.core.errors import IntegrityError
from envbuild.core.reference import ImageReference
from envbuild.files import sha256_of
from envbuild.formats.statements import PROVENANCE, SBOM, read_statement
from envbuild.signing.envelope import LARGEST, Verifier, parse_envelope, read_envelopes

if TYPE_CHECKING:
    from envbuild.net.registry import RegistryClient

ENVELOPES = ("application/vnd.dsse.envelope.v1+json", "application/vnd.dev.sigstore.bundle.v0.3+json")
"""What registries call signed statements: with a key, and with an identity of sigstore's."""

_WORDS = {PROVENANCE: "provenance", SBOM: "bill of materials"}
_MOST = 100
Envelope = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is asked about, by its digest, and the envelopes that are said to speak of it, each with its place.

    Anybody who may push can put an attestation beside an image: with `anybody`, those of others are passed over.
    """

    name: str
    digest: str
    envelopes: tuple[Envelope, ...]
    anybody: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one attestation says (`provenance`, `bill of materials`, or the predicate's type), and who signed it."""

    says: str
    signer: str


def lock_subject(lock: Path, attestations: Path | None = None) -> Subject:
    """Return the lock file `lock` with what is attested of it, in `attestations` or beside it.

    Raises:
        IntegrityError: there are no attestations, or they are none.
        EnvbuildError: they cannot be read.
    """
    path = attestations or lock.with_name(f"{lock.name}.intoto.jsonl")
    if not path.exists():
        raise IntegrityError(
            f"nothing is attested of {lock}: there is no {path}", hint="make it with `envbuild attest`"
        )
    return Subject(name=lock.name, digest=f"sha256:{sha256_of(lock)}", envelopes=tuple(read_envelopes(path)))


def image_subjects(
    reference: ImageReference, client: RegistryClient, attestations: Path | None = None
) -> tuple[Subject, ...]:
    """Return the image, or each platform's of an index, with what its registry (or the file `attestations`) has of it.

    Raises:
        NetworkError, IntegrityError: the registry cannot be asked, or answers with something else.
    """
    from envbuild.net.images import Descriptor, listed, parse_object

    root, data = client.manifest(reference)
    document = parse_object(data, str(reference))
    entries = [Descriptor.from_dict(one, str(reference)) for one in listed(document, "manifests", str(reference))]
    digests = [one.digest for one in entries if not one.platform.startswith("unknown")] or [root.digest]
    given = tuple(read_envelopes(attestations)) if attestations else None
    return tuple(
        Subject(
            name=f"{reference.name}@{digest}",
            digest=digest,
            envelopes=tuple(_of_registry(client, reference.with_digest(digest))) if given is None else given,
            anybody=given is None or len(digests) > 1,
        )
        for digest in digests
    )


def _of_registry(client: RegistryClient, image: ImageReference) -> Iterator[Envelope]:
    from envbuild.net.images import Descriptor, listed, parse_object
    from envbuild.net.registry_push import referrers

    found = [one for one in referrers(client, image) if one.artifact_type in ENVELOPES]
    for one in found[:_MOST]:
        place = f"{image.name}@{one.digest}"
        manifest = parse_object(client.manifest(image.with_digest(one.digest))[1], place)
        for layer in listed(manifest, "layers", place)[:1]:
            blob = Descriptor.from_dict(layer, place)
            if blob.size <= LARGEST:
                yield place, parse_envelope(client.small_blob(image, blob), place)


def check(subject: Subject, verifier: Verifier) -> tuple[Claim, ...]:
    """Return what `verifier`'s signer attests of `subject`.

    Raises:
        IntegrityError: nothing, or (where not `anybody`) something that does not hold.
    """
    claims, wrong = list[Claim](), list[IntegrityError]()
    for place, envelope in subject.envelopes:
        try:
            claims.append(_claim(subject, verifier, envelope, place))
        except IntegrityError as error:  # noqa: PERF203 - all that is wrong is told
            wrong.append(error)
    if wrong and not (subject.anybody and claims):
        raise IntegrityError([problem for error in wrong for problem in error.problems])
    if not claims:
        raise IntegrityError(f"nothing is attested of {subject.name}")
    return tuple(claims)


def _claim(subject: Subject, verifier: Verifier, envelope: Mapping[str, Any], place: str) -> Claim:
    verified = verifier.verify(envelope, place)
    try:
        kind, subjects = read_statement(verified.statement)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{place}: {error}") from None
    if subject.digest not in subjects:
        about: Sequence[str] = sorted(set(subjects.values()))
        raise IntegrityError(
            f"{place}: is about other bytes ({', '.join(about)[:200] or 'of nothing'}) than {subject.name}, which has {subject.digest}"
        )
    return Claim(says=_WORDS.get(kind, kind), signer=verified.signer)

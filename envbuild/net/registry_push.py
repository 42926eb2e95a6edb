"""Writing to image registries: blobs in one streaming PUT each, manifests last, and what refers to an image."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, Literal
from urllib.parse import urlencode, urljoin, urlsplit

from envbuild.core.errors import EnvbuildError, IntegrityError, NetworkError
from envbuild.core.progress import SILENT, Progress
from envbuild.core.reference import ImageReference
from envbuild.net.http import read_body
from envbuild.net.images import LARGEST_MANIFEST, Descriptor, listed, parse_object
from envbuild.net.media_types import OCI_INDEX
from envbuild.net.registry import MOST_PAGES, RegistryClient, next_page, pull_scope, push_scope

if TYPE_CHECKING:
    import requests

    from envbuild.net.registry_auth import Access

How = Literal["present", "mounted", "sent"]
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A blob to push. `open` is called once for each attempt; `origin` is a repository of the same registry that may have it."""

    descriptor: Descriptor
    open: Callable[[], BinaryIO]
    origin: str = ""


def push_blobs(
    client: RegistryClient,
    reference: ImageReference,
    blobs: Sequence[Blob],
    *,
    workers: int = 4,
    progress: Progress = SILENT,
) -> dict[str, How]:
    """See to it that the repository has all of `blobs`, `workers` at a time; tell by digest how each got there.

    Raises:
        NetworkError: the registry cannot be asked, refuses, or does not take one.
    """
    unique, stop = {blob.descriptor.digest: blob for blob in blobs}, threading.Event()
    with progress.step(f"push to {reference.name}", sum(one.descriptor.size for one in unique.values())) as step:

        def one(blob: Blob) -> How:
            def advance(amount: int) -> None:
                if stop.is_set():
                    raise EnvbuildError(f"{blob.descriptor.digest}: stopped")
                step.advance(amount, blob.descriptor.digest[7:19])

            return push_blob(client, reference, blob, advance=advance)

        with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="push") as pool:
            try:
                return dict(zip(unique, pool.map(one, unique.values()), strict=True))
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def push_blob(
    client: RegistryClient, reference: ImageReference, blob: Blob, *, advance: Advance = lambda _: None
) -> How:
    """See to it that the repository of `reference` has `blob`: ask, mount from its origin, or send it in one PUT.

    Raises:
        NetworkError: the registry cannot be asked, refuses, or does not take it.
    """
    if client.has_blob(reference, blob.descriptor.digest, pushing=True):
        advance(blob.descriptor.size)
        return "present"
    sent = _Sent(advance)
    how = client.http.retry(lambda: _send_once(client.access(reference), reference, blob, sent))
    sent.reach(blob.descriptor.size)
    return how


def push_manifest(client: RegistryClient, reference: ImageReference, data: bytes, media_type: str) -> Descriptor:
    """Put a manifest or index under the tag of `reference`, or under its own digest where there is no tag.

    Raises:
        NetworkError: the registry cannot be asked or refuses it; IntegrityError: it took it for something else.
    """
    return _put_manifest(client, reference, data, media_type)[0]


def referrers(client: RegistryClient, reference: ImageReference, artifact_type: str = "") -> tuple[Descriptor, ...]:
    """Return the manifests whose subject is the digest of `reference` (OCI 1.1 referrers, or its tag where that is unknown).

    Raises:
        NetworkError: the registry cannot be asked or refuses.
    """
    query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
    path = f"{reference.repository}/referrers/{reference.digest}{query}"
    found: list[Descriptor] = []
    for _ in range(MOST_PAGES):
        answer = client.access(reference).request(
            "GET",
            path,
            scopes=pull_scope(reference),
            headers={"Accept": OCI_INDEX},
            accept=(200, 400, 404, 405),
            stream=True,
        )
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        if answer.status_code != 200 or kind != OCI_INDEX:
            answer.close()
            found = _tagged_referrers(client, reference)
            break
        found += _entries(read_body(answer, LARGEST_MANIFEST), reference)
        path = next_page(answer)
        if not path:
            break
    return tuple(one for one in found if not artifact_type or one.artifact_type == artifact_type)


def attach(client: RegistryClient, reference: ImageReference, manifest: bytes, media_type: str) -> Descriptor:
    """Push `manifest`, whose `subject` is the digest of `reference`, so that `referrers` finds it; its blobs are there already.

    Raises:
        NetworkError, IntegrityError: as `push_manifest`.
    """
    document = parse_object(manifest, f"{reference}: manifest to attach")
    if document.get("subject", {}).get("digest") != reference.digest:
        raise IntegrityError(f"{reference}: the manifest to attach has another subject")
    bare = replace(reference, tag="", digest="")
    pushed, answer = _put_manifest(client, bare, manifest, media_type)
    config = document.get("config") or {}
    described = replace(
        pushed,
        artifact_type=str(document.get("artifactType") or config.get("mediaType") or ""),
        annotations=tuple(sorted((document.get("annotations") or {}).items())),
    )
    if "OCI-Subject" not in answer.headers:
        _add_tagged_referrer(client, reference, described)
    return described


class _Sent:
    """Counts the bytes of one blob over all attempts, so that progress never goes back."""

    def __init__(self, advance: Advance) -> None:
        self._advance, self._most = advance, 0

    def reach(self, position: int) -> None:
        if position > self._most:
            self._advance(position - self._most)
            self._most = position


class _Body:
    """A file with a length, which is what makes a PUT carry Content-Length and stream."""

    def __init__(self, file: BinaryIO, size: int, sent: _Sent) -> None:
        self._file, self._size, self._sent, self._at = file, size, sent, 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        if data := self.read(1 << 18):
            return data
        raise StopIteration

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._at += len(data)
        self._sent.reach(self._at)
        return data

    def close(self) -> None:
        self._file.close()


def _send_once(access: Access, reference: ImageReference, blob: Blob, sent: _Sent) -> How:
    digest, size = blob.descriptor.digest, blob.descriptor.size
    scopes = list(push_scope(reference))
    query = {}
    if blob.origin and blob.origin != reference.repository:
        scopes.append(f"repository:{blob.origin}:pull")
        query = {"mount": digest, "from": blob.origin}
    path = f"{reference.repository}/blobs/uploads/"
    begun = access.attempt("POST", f"{path}?{urlencode(query)}" if query else path, scopes=scopes, accept=(201, 202))
    if begun.status_code == 201:
        return "mounted"
    # one PUT with the whole body: some registries lose all but the first of several PATCH chunks without a word
    access.attempt(
        "PUT",
        _upload_url(begun, digest),
        scopes=scopes,
        headers={"Content-Type": "application/octet-stream"},
        body=(lambda: _body(blob, size, sent)) if size else b"",
        accept=(201, 204),
    )
    return "sent"


def _body(blob: Blob, size: int, sent: _Sent) -> BinaryIO:
    body: object = _Body(blob.open(), size, sent)
    return body  # type: ignore[return-value]  # requests needs no more of a file than this


def _upload_url(begun: requests.Response, digest: str) -> str:
    location = begun.headers.get("Location", "")
    if not location:
        raise NetworkError(f"POST {begun.url.partition('?')[0]}: the registry does not say where to send the blob")
    url = urljoin(begun.url, location)
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode({'digest': digest})}"


def _put_manifest(
    client: RegistryClient, reference: ImageReference, data: bytes, media_type: str
) -> tuple[Descriptor, requests.Response]:
    pushed = Descriptor.of(data, media_type)
    answer = client.access(reference).request(
        "PUT",
        f"{reference.repository}/manifests/{reference.tag or pushed.digest}",
        scopes=push_scope(reference),
        headers={"Content-Type": media_type},
        body=data,
        accept=(200, 201, 202),
    )
    found = answer.headers.get("Docker-Content-Digest", pushed.digest)
    if found != pushed.digest and found.startswith("sha256:"):
        raise IntegrityError(f"{reference}: the registry keeps the manifest as {found}, it is {pushed.digest}")
    return pushed, answer


def _fallback_tag(reference: ImageReference) -> ImageReference:
    return reference.with_tag(reference.digest.replace(":", "-"))


def _tagged_referrers(client: RegistryClient, reference: ImageReference, *, pushing: bool = False) -> list[Descriptor]:
    tagged = _fallback_tag(reference)
    if client.digest(tagged, pushing=pushing) is None:
        return []
    return _entries(client.manifest(tagged)[1], reference)


def _add_tagged_referrer(client: RegistryClient, reference: ImageReference, added: Descriptor) -> None:
    known = _tagged_referrers(client, reference, pushing=True)
    if any(one.digest == added.digest for one in known):
        return
    entries = [one.to_dict() for one in (*known, added)]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    push_manifest(client, _fallback_tag(reference), json.dumps(index, separators=(",", ":")).encode(), OCI_INDEX)


def _entries(data: bytes, reference: ImageReference) -> list[Descriptor]:
    place = f"{reference}: referrers"
    return [Descriptor.from_dict(one, place) for one in listed(parse_object(data, place), "manifests", place)]

"""Reading from image registries (OCI distribution specification 1.1). Writing is in `registry_push`."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import urlsplit

from envbuild.core.errors import IntegrityError, NetworkError
from envbuild.core.platforms import Platform
from envbuild.core.reference import ImageReference, is_digest
from envbuild.net.credentials import CredentialFinder
from envbuild.net.docker_credentials import RegistryCredentials
from envbuild.net.downloads import DownloadCache
from envbuild.net.http import HttpClient, PassingError, read_body
from envbuild.net.images import (
    LARGEST_MANIFEST,
    Descriptor,
    ResolvedImage,
    check_digest,
    digest_of,
    parse_object,
    resolve_image,
)
from envbuild.net.integrity import Integrity
from envbuild.net.layers import verified
from envbuild.net.media_types import ACCEPTED, MANIFEST_TYPES
from envbuild.net.registry_auth import Access

if TYPE_CHECKING:
    import requests

_LARGEST_CONFIG = 16 << 20
_ACCEPT = {"Accept": ACCEPTED}
MOST_PAGES = 200


def _own_credentials() -> RegistryCredentials:
    return RegistryCredentials(finder=CredentialFinder(environ=os.environ, home=Path.home()))


@dataclass(slots=True, kw_only=True)
class RegistryClient:
    """Reads images by reference. Registries on loopback, and those in `plain_http`, are spoken to without TLS."""

    http: HttpClient = field(default_factory=HttpClient)
    credentials: RegistryCredentials = field(default_factory=_own_credentials)
    plain_http: frozenset[str] = frozenset()
    _accesses: dict[str, Access] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def access(self, reference: ImageReference) -> Access:
        """Return how to speak to the registry of `reference`, with the credential for its repository."""
        key = str(ImageReference(registry=reference.registry, repository=reference.repository))
        with self._lock:
            if key not in self._accesses:
                self._accesses[key] = Access(
                    registry=reference.registry,
                    http=self.http,
                    credential=self.credentials.find(reference),
                    plain_http=reference.is_loopback or reference.registry in self.plain_http,
                )
            return self._accesses[key]

    def resolve(self, reference: ImageReference, platform: Platform) -> ResolvedImage:
        """Return what `reference` means for `platform` now.

        Raises:
            NetworkError: the registry cannot be asked, refuses, or has no such image.
            DefinitionError: the image has no such platform.
            IntegrityError: what came has another digest, or is no image.
        """
        root, data = self.manifest(reference)

        def fetch(descriptor: Descriptor) -> bytes:
            if descriptor.digest == root.digest:
                return data
            if descriptor.media_type in MANIFEST_TYPES:
                return self.manifest(reference.with_digest(descriptor.digest))[1]
            return self.small_blob(reference, descriptor)

        return resolve_image(str(reference), root, fetch, platform)

    def manifest(self, reference: ImageReference) -> tuple[Descriptor, bytes]:
        """Return the manifest or index that `reference` names, its digest checked.

        Raises:
            NetworkError, IntegrityError: as `resolve`.
        """
        place = f"{reference}: manifest"
        path = f"{reference.repository}/manifests/{reference.selector}"
        answer = self._get(reference, path, headers=_ACCEPT, accept=(200, 404), stream=True)
        if answer.status_code == 404:
            answer.close()
            raise _absent(reference)
        data = read_body(answer, LARGEST_MANIFEST)
        promised = reference.digest or answer.headers.get("Docker-Content-Digest", "")
        if is_digest(promised):
            check_digest(data, promised, place)
        digest = reference.digest or digest_of(data)
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        return Descriptor(media_type=media_type, digest=digest, size=len(data)), data

    def digest(self, reference: ImageReference, *, pushing: bool = False) -> str | None:
        """Return the digest that `reference` has in its registry, or None where there is no such image: one HEAD request.

        Say `pushing` before a push: with a token for reading only, registries refuse to speak of a repository that is
        not there yet.

        Raises:
            NetworkError: the registry cannot be asked or refuses.
        """
        path = f"{reference.repository}/manifests/{reference.selector}"
        answer = self._head(reference, path, _ACCEPT, pushing=pushing)
        if answer.status_code == 404:
            return None
        digest = answer.headers.get("Docker-Content-Digest", "")
        return digest if is_digest(digest) else self.manifest(reference)[0].digest

    def exists(self, reference: ImageReference, *, pushing: bool = False) -> bool:
        """Tell whether the registry has `reference` (see `digest`).

        Raises:
            NetworkError: the registry cannot be asked or refuses.
        """
        return self.digest(reference, pushing=pushing) is not None

    def has_blob(self, reference: ImageReference, digest: str, *, pushing: bool = False) -> bool:
        """Tell whether the repository of `reference` has the blob `digest` (see `digest`).

        Raises:
            NetworkError: the registry cannot be asked or refuses.
        """
        answer = self._head(reference, f"{reference.repository}/blobs/{digest}", {}, pushing=pushing)
        return answer.status_code == 200

    def blob(self, reference: ImageReference, descriptor: Descriptor) -> BinaryIO:
        """Return the bytes of a blob as a stream that goes on where the connection broke; verified at its end.

        Raises:
            NetworkError: it cannot be had; IntegrityError (while reading): it is something else.
        """

        def open_at(offset: int) -> requests.Response:
            headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
            return self.access(reference).attempt(
                "GET",
                f"{reference.repository}/blobs/{descriptor.digest}",
                scopes=pull_scope(reference),
                headers=headers,
                accept=(200, 206) if offset else (200,),
                stream=True,
            )

        reader = _ResumingReader(f"{reference}: blob {descriptor.digest}", open_at, self.http)
        return verified(cast("BinaryIO", reader), descriptor, str(reference))

    def small_blob(self, reference: ImageReference, descriptor: Descriptor) -> bytes:
        """Return a blob that fits in memory (a config), its digest checked.

        Raises:
            NetworkError, IntegrityError: as `blob`, or it is larger than 16 MiB.
        """
        if descriptor.size > _LARGEST_CONFIG:
            raise IntegrityError(f"{reference}: {descriptor.digest} says that it has {descriptor.size} bytes")
        with self.blob(reference, descriptor) as file:
            return file.read()

    def cached_blob(
        self,
        reference: ImageReference,
        descriptor: Descriptor,
        *,
        cache: DownloadCache | None = None,
        advance: Callable[[int], None] = lambda _: None,
    ) -> Path:
        """Return a file with the blob: from the download cache, else fetched into it; `advance` hears of bytes that come.

        Raises:
            NetworkError, IntegrityError, EnvbuildError: it cannot be had or written.
        """
        algorithm, _, digits = descriptor.digest.partition(":")
        if algorithm != "sha256":
            raise IntegrityError(f"{reference}: blobs with {algorithm} digests are not kept")

        def fill(part: Path) -> None:
            with self.blob(reference, descriptor) as blob, part.open("wb") as file:
                while chunk := blob.read(1 << 20):
                    file.write(chunk)
                    advance(len(chunk))

        promise = Integrity(sha256=digits, size=descriptor.size)
        return (cache or DownloadCache()).get(promise, f"{reference}: blob {descriptor.digest}", fill)

    def tags(self, reference: ImageReference) -> tuple[str, ...]:
        """Return the tags of the repository of `reference`, in the registry's order.

        Raises:
            NetworkError: the registry cannot be asked, refuses, or has no such repository.
        """
        found: list[str] = []
        path = f"{reference.repository}/tags/list?n=1000"
        for _ in range(MOST_PAGES):
            answer = self._get(reference, path, accept=(200, 404), stream=True)
            if answer.status_code == 404:
                answer.close()
                raise _absent(reference)
            page = parse_object(read_body(answer, LARGEST_MANIFEST), f"{reference}: tags")
            found += [str(tag) for tag in page.get("tags") or ()]
            path = next_page(answer)
            if not path:
                break
        return tuple(found)

    def _get(
        self,
        reference: ImageReference,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (200,),
        stream: bool = False,
    ) -> requests.Response:
        return self.access(reference).request(
            "GET", path, scopes=pull_scope(reference), headers=headers, accept=accept, stream=stream
        )

    def _head(
        self, reference: ImageReference, path: str, headers: Mapping[str, str], *, pushing: bool
    ) -> requests.Response:
        scopes = push_scope(reference) if pushing else pull_scope(reference)
        return self.access(reference).request("HEAD", path, scopes=scopes, headers=headers, accept=(200, 404))


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySource:
    """An image in a registry (see `ImageSource`)."""

    client: RegistryClient
    reference: ImageReference

    def resolve(self, platform: Platform) -> ResolvedImage:
        """Return the image for `platform` (see `RegistryClient.resolve`)."""
        return self.client.resolve(self.reference, platform)

    def blob(self, descriptor: Descriptor) -> BinaryIO:
        """Return the bytes of a layer or config (see `RegistryClient.blob`)."""
        return self.client.blob(self.reference, descriptor)


def pull_scope(reference: ImageReference) -> tuple[str, ...]:
    """Return what a token must allow for reading the repository of `reference`."""
    return (f"repository:{reference.repository}:pull",)


def push_scope(reference: ImageReference) -> tuple[str, ...]:
    """Return what a token must allow for reading and writing the repository of `reference`."""
    return (f"repository:{reference.repository}:pull,push",)


def next_page(answer: requests.Response) -> str:
    """Return path and query of the page after `answer` (RFC 8288), always on the same registry; empty on the last."""
    url = answer.links.get("next", {}).get("url", "")
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if url else ""


def _absent(reference: ImageReference) -> NetworkError:
    return NetworkError(
        f"image {reference} is not in the registry {reference.registry}",
        hint="check the name and the tag; a registry also says this of images that you may not see",
    )


class _ResumingReader(io.RawIOBase):
    """The body of a GET that is asked for again from where it broke."""

    def __init__(self, place: str, open_at: Callable[[int], requests.Response], http: HttpClient) -> None:
        super().__init__()
        self._place, self._open_at = place, open_at
        self._offset, self._tries = 0, http.tries()
        self._response: requests.Response | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._persist(len(buffer))
        self._offset += len(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._drop()
        super().close()

    def _persist(self, size: int) -> bytes:
        while True:
            try:
                return self._read(size)
            except PassingError as error:  # noqa: PERF203 - trying again is the purpose
                self._tries.failed(error, self._offset)

    def _read(self, size: int) -> bytes:
        from envbuild.net import session

        try:
            if self._response is None:
                self._response = self._open_at(self._offset)
                if self._response.status_code == 200:
                    self._skip(self._response)
            data: bytes = self._response.raw.read(size, decode_content=False)
        except session.BROKEN as error:
            self._drop()
            raise PassingError(session.explain(self._place, error).problems[0]) from error
        return data

    def _skip(self, response: requests.Response) -> None:
        # this registry does not know ranges: what was read before comes once more
        left = self._offset
        while left and (data := response.raw.read(min(left, 1 << 18), decode_content=False)):
            left -= len(data)

    def _drop(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

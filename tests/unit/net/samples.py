"""Small images made in memory, and a registry for them whose faults a test chooses."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import zstandard

from envbuild.net.images import Descriptor, digest_of
from envbuild.net.media_types import DOCKER_INDEX, OCI_INDEX, OCI_MANIFEST

from .loopback import Answer, Request, Server

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"

FOLDER = None
Entry = tuple[str, "bytes | str | HardLink | None"]


class HardLink(str):
    """The target of a hard link."""

    __slots__ = ()


def tar(entries: Sequence[Entry]) -> bytes:
    """Content as bytes, a symbolic link's target as str, None for a folder."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, value in entries:
            member = tarfile.TarInfo(name)
            if value is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(value, str):
                member.type = tarfile.LNKTYPE if isinstance(value, HardLink) else tarfile.SYMTYPE
                member.linkname = str(value)
            else:
                member.size = len(value)
            archive.addfile(member, io.BytesIO(value) if isinstance(value, bytes) else None)
    return raw.getvalue()


def compress(data: bytes, how: str) -> tuple[bytes, str]:
    if how == "gzip":
        return gzip.compress(data, mtime=0), f"{LAYER}+gzip"
    if how == "zstd":
        return zstandard.compress(data), f"{LAYER}+zstd"
    return data, LAYER


@dataclass
class Image:
    """An image with all its blobs by digest; `diffs` are its uncompressed layers."""

    manifest: bytes
    config: bytes
    diffs: list[bytes]
    blobs: dict[str, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor.of(self.manifest, OCI_MANIFEST)


def make_image(layers: Sequence[Sequence[Entry]], *, how: str = "gzip", platform: str = "linux/amd64") -> Image:
    os, architecture = platform.split("/")[:2]
    diffs = [tar(entries) for entries in layers]
    packed = [compress(data, how) for data in diffs]
    config = json.dumps(
        {
            "os": os,
            "architecture": architecture,
            "config": {"Env": ["PATH=/usr/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(data) for data in diffs]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": Descriptor.of(config, CONFIG).to_dict(),
            "layers": [Descriptor.of(data, kind).to_dict() for data, kind in packed],
        }
    ).encode()
    blobs = {digest_of(data): data for data in (config, *(data for data, _ in packed))}
    return Image(manifest=manifest, config=config, diffs=diffs, blobs=blobs)


def index_of(images: dict[str, Image], *, docker: bool = False) -> bytes:
    """An index by platform (`linux/arm64/v8`)."""
    kind = DOCKER_INDEX if docker else OCI_INDEX
    entries = [{**image.descriptor.to_dict(), "platform": _platform(name)} for name, image in images.items()]
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()


def _platform(name: str) -> dict[str, str]:
    return dict(zip(("os", "architecture", "variant"), name.split("/"), strict=False))


def layout_files(images: dict[str, Image]) -> dict[str, bytes]:
    """The files of an OCI layout with `images` by name."""
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    entries = []
    for name, image in images.items():
        annotations = {"org.opencontainers.image.ref.name": name} if name else {}
        entries.append({**image.descriptor.to_dict(), "annotations": annotations})
        for digest, data in {**image.blobs, image.digest: image.manifest}.items():
            files[f"blobs/{digest.replace(':', '/')}"] = data
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    return files


def docker_files(image: Image, tags: Sequence[str] = ("base:1",), *, how: str = "") -> dict[str, bytes | str]:
    """The files of a `docker save` archive."""
    config = f"{digest_of(image.config)[7:]}.json"
    layers = {f"{number}/layer.tar": compress(data, how)[0] for number, data in enumerate(image.diffs)}
    manifest = [{"Config": config, "RepoTags": list(tags), "Layers": list(layers)}]
    return {config: image.config, **layers, "manifest.json": json.dumps(manifest).encode()}


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    path.write_bytes(tar(list(files.items())))
    return path


class FakeRegistry:
    """A registry on a loopback server: what it has, whom it lets in, and what goes wrong."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.host = f"127.0.0.1:{server.port}"
        self.manifests: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.login = ""  # "", "basic" or "bearer"
        self.users = {"me": "s3cret"}
        self.identity_tokens: set[str] = set()
        self.tokens: dict[str, set[str]] = {}
        self.referrers_api = False
        self.mounting = True
        self.upload_host = ""
        self.faults: dict[str, list[Answer]] = {}  # by "METHOD /path": answered first, one after the other
        server.routes["*"] = self._answer

    def reference(self, text: str) -> str:
        return f"{self.host}/{text}"

    def hold(self, name: str, tag: str, image: Image) -> None:
        for digest, data in image.blobs.items():
            self.blobs[name, digest] = data
        for key in (tag, image.digest):
            self.manifests[name, key] = image.manifest, OCI_MANIFEST

    def hold_index(self, name: str, tag: str, images: dict[str, Image], *, docker: bool = False) -> bytes:
        data = index_of(images, docker=docker)
        for one in images.values():
            self.hold(name, one.digest, one)
        for key in (tag, digest_of(data)):
            self.manifests[name, key] = data, DOCKER_INDEX if docker else OCI_INDEX
        return data

    def asked(self, method: str, fragment: str) -> list[Request]:
        return [one for one in self.server.requests if one.method == method and fragment in one.path]

    def _answer(self, request: Request) -> Answer:
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        waiting = self.faults.get(f"{request.method} {parts.path}")
        if waiting:
            return waiting.pop(0)
        if parts.path == "/token":
            return self._token(request, parse_qs(parts.query))
        scope = self._scope(request.method, parts.path)
        if not self._lets_in(request, scope):
            asks = f'Bearer realm="{self.server.url}/token",service="fake",scope="{scope}"'
            asks = asks if self.login == "bearer" else 'Basic realm="fake"'
            return Answer(status=401, headers={"WWW-Authenticate": asks}, body=b'{"errors":[{"code":"UNAUTHORIZED"}]}')
        if parts.path == "/v2/":
            return Answer(body=b"{}")
        return self._content(request, unquote(parts.path.removeprefix("/v2/")), query)

    def _scope(self, method: str, path: str) -> str:
        name = path.removeprefix("/v2/")
        for part in ("/manifests/", "/blobs/", "/tags/", "/referrers/"):
            name = name.partition(part)[0]
        return f"repository:{name}:pull{'' if method in ('GET', 'HEAD') else ',push'}" if name else ""

    def _lets_in(self, request: Request, scope: str) -> bool:
        given = request.headers.get("authorization", "")
        if self.login == "basic":
            return given in {f"Basic {_basic(f'{user}:{password}')}" for user, password in self.users.items()}
        if self.login == "bearer":
            allowed = self.tokens.get(given.removeprefix("Bearer "), set())
            return bool(allowed) and (not scope or scope in allowed or f"{scope},push" in allowed)
        return True

    def _token(self, request: Request, query: dict[str, list[str]]) -> Answer:
        if request.method == "POST":
            form = parse_qs(request.body.decode())
            if form["refresh_token"][0] not in self.identity_tokens:
                return Answer(status=401)
            scopes = form["scope"][0].split()
        else:
            given = request.headers.get("authorization", "").removeprefix("Basic ")
            if given and given not in {_basic(f"{user}:{password}") for user, password in self.users.items()}:
                return Answer(status=401, body=b'{"errors":[{"code":"DENIED","message":"wrong password"}]}')
            scopes = query.get("scope", [])
            if not given:
                scopes = [scope for scope in scopes if not scope.endswith(",push")]
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = {*scopes, "any"}
        return Answer(body=json.dumps({"token": token, "expires_in": 300}).encode())

    def _content(self, request: Request, path: str, query: dict[str, str]) -> Answer:
        for part, method in (
            ("/manifests/", self._manifest),
            ("/blobs/uploads/", self._upload),
            ("/blobs/", self._blob),
            ("/tags/", self._tags),
            ("/referrers/", self._referrers),
        ):
            name, found, rest = path.partition(part)
            if found:
                return method(request, name, rest, query)
        return Answer(status=404)

    def _manifest(self, request: Request, name: str, rest: str, query: dict[str, str]) -> Answer:
        if request.method == "PUT":
            digest = digest_of(request.body)
            for key in (rest, digest):
                self.manifests[name, key] = request.body, request.headers["content-type"]
            subject = json.loads(request.body).get("subject", {}).get("digest", "")
            extra = {"OCI-Subject": subject} if subject and self.referrers_api else {}
            return Answer(status=201, headers={"Docker-Content-Digest": digest, **extra})
        found = self.manifests.get((name, rest))
        if found is None:
            return Answer(status=404, body=b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
        headers = {"Content-Type": found[1], "Docker-Content-Digest": digest_of(found[0])}
        if request.method == "HEAD":
            return Answer(headers={**headers, "Content-Length": str(len(found[0]))})
        return Answer(body=found[0], headers=headers)

    def _blob(self, request: Request, name: str, rest: str, query: dict[str, str]) -> Answer:
        data = self.blobs.get((name, rest))
        if data is None:
            return Answer(status=404, body=b'{"errors":[{"code":"BLOB_UNKNOWN"}]}')
        start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start:
            return Answer(status=206, body=data[start:])
        return Answer(body=data)

    def _upload(self, request: Request, name: str, rest: str, query: dict[str, str]) -> Answer:
        if request.method == "POST":
            source = self.blobs.get((query.get("from", ""), query.get("mount", "")))
            if source is not None and self.mounting:
                self.blobs[name, query["mount"]] = source
                return Answer(status=201)
            host = self.upload_host or ""
            return Answer(status=202, headers={"Location": f"{host}/v2/{name}/blobs/uploads/7?state=x%2Fy"})
        if digest_of(request.body) != query["digest"]:
            return Answer(status=400, body=b'{"errors":[{"code":"DIGEST_INVALID","message":"no match"}]}')
        self.blobs[name, query["digest"]] = request.body
        return Answer(status=201)

    def _tags(self, request: Request, name: str, rest: str, query: dict[str, str]) -> Answer:
        tags = sorted(tag for one, tag in self.manifests if one == name and not tag.startswith("sha256:"))
        if not tags:
            return Answer(status=404)
        at = tags.index(query["last"]) + 1 if "last" in query else 0
        page = tags[at : at + 2]
        more = {"Link": f'</v2/{name}/tags/list?n=2&last={page[-1]}>; rel="next"'} if tags[at + 2 :] else {}
        return Answer(body=json.dumps({"name": name, "tags": page}).encode(), headers=more)

    def _referrers(self, request: Request, name: str, rest: str, query: dict[str, str]) -> Answer:
        if not self.referrers_api:
            return Answer(status=404)
        found = []
        for data, kind in {data: kind for (one, _), (data, kind) in self.manifests.items() if one == name}.items():
            document = json.loads(data)
            if document.get("subject", {}).get("digest") == rest:
                found.append({**Descriptor.of(data, kind).to_dict(), "artifactType": document.get("artifactType", "")})
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}).encode()
        return Answer(body=body, headers={"Content-Type": OCI_INDEX})


def _basic(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()

"""A package index on loopback: PEP 503 (HTML), 691 (JSON), 658 (metadata files), 592 (yanked), 700 (sizes, times)."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tests.support.http import Response, Site
from tests.support.wheel import make_wheel, wheel_file_name, wheel_metadata

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One file of the index, and what the index says of it."""

    name: str
    version: str
    file_name: str
    content: bytes
    upload_time: str
    yanked: str
    requires_python: str
    provenance: str = ""

    @property
    def sha256(self) -> str:
        """Return the hex digest of the file."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def metadata(self) -> bytes:
        """Return the core metadata, as served at `<file>.metadata`."""
        return wheel_metadata(self.content)


class Index(Site):
    """A package index at `url`; releases may be added while it runs."""

    def __init__(self, *, user: str = "", password: str = "") -> None:
        super().__init__(user=user, password=password)
        self.releases: list[Release] = []
        self.provenances: dict[str, bytes] = {}

    def __enter__(self) -> Index:
        super().__enter__()
        return self

    @property
    def url(self) -> str:
        """Return the URL for `--index-url`."""
        return f"{self.root}/simple"

    def add(
        self,
        name: str,
        version: str,
        *,
        files: Mapping[str, str | bytes] | None = None,
        requires: Sequence[str] = (),
        requires_python: str = "",
        extras: Mapping[str, Sequence[str]] | None = None,
        entry_points: Mapping[str, str] | None = None,
        tag: str = "py3-none-any",
        upload_time: str = "2024-01-01T00:00:00Z",
        yanked: str = "",
    ) -> Release:
        """Make a wheel and publish it; `yanked` is the reason why nobody should take it."""
        content = make_wheel(
            name,
            version,
            files=files,
            requires=requires,
            requires_python=requires_python or None,
            extras=extras,
            entry_points=entry_points,
            tag=tag,
        )
        release = Release(
            name=_normal(name),
            version=version,
            file_name=wheel_file_name(name, version, tag),
            content=content,
            upload_time=upload_time,
            yanked=yanked,
            requires_python=requires_python,
        )
        self.releases.append(release)
        return release

    def attest(self, release: Release, provenance: object) -> Release:
        """Offer `provenance` (PEP 740) of a release; returns the release as it is listed then."""
        path = f"/integrity/{release.file_name}"
        self.releases[self.releases.index(release)] = listed = replace(release, provenance=path)
        self.provenances[path] = json.dumps(provenance).encode()
        return listed

    def file_url(self, release: Release) -> str:
        """Return where the file of `release` is."""
        return f"{self.root}/files/{release.file_name}"

    def respond(self, path: str, accept: str) -> Response | None:
        """Return a page, a file or its metadata."""
        if match := re.fullmatch(r"/simple/([^/]+)/?", path):
            return self._project(_normal(match[1]), accept)
        if path.rstrip("/") == "/simple":
            return self._projects(accept)
        if path in self.provenances:
            return Response(content=self.provenances[path])
        return self._file(path.removeprefix("/files/")) if path.startswith("/files/") else None

    def _file(self, file_name: str) -> Response | None:
        for release in self.releases:
            if file_name == release.file_name:
                return Response(content=release.content)
            if file_name == f"{release.file_name}.metadata":
                return Response(content=release.metadata)
        return None

    def _projects(self, accept: str) -> Response:
        names = sorted({release.name for release in self.releases})
        if JSON_TYPE in accept:
            return _json({"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in names]})
        return _html("".join(f'<a href="/simple/{name}/">{name}</a>\n' for name in names))

    def _project(self, name: str, accept: str) -> Response | None:
        releases = [release for release in self.releases if release.name == name]
        if not releases:
            return None
        if JSON_TYPE not in accept:
            return _html("".join(map(_anchor, releases)))
        versions = sorted({release.version for release in releases})
        files = [_entry(release) for release in releases]
        return _json({"meta": {"api-version": "1.1"}, "name": name, "versions": versions, "files": files})


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _entry(release: Release) -> dict[str, object]:
    metadata = {"sha256": hashlib.sha256(release.metadata).hexdigest()}
    entry: dict[str, object] = {
        "filename": release.file_name,
        "url": f"/files/{release.file_name}",
        "hashes": {"sha256": release.sha256},
        "size": len(release.content),
        "upload-time": release.upload_time,
        "core-metadata": metadata,
        "yanked": release.yanked or False,
    }
    more = {"requires-python": release.requires_python, "provenance": release.provenance}
    return entry | {name: value for name, value in more.items() if value}


def _anchor(release: Release) -> str:
    marks = f' data-core-metadata="sha256={hashlib.sha256(release.metadata).hexdigest()}"'
    if release.requires_python:
        marks += f' data-requires-python="{html.escape(release.requires_python)}"'
    if release.provenance:
        marks += f' data-provenance="{html.escape(release.provenance)}"'
    if release.yanked:
        marks += f' data-yanked="{html.escape(release.yanked)}"'
    return f'<a href="/files/{release.file_name}#sha256={release.sha256}"{marks}>{release.file_name}</a>\n'


def _json(data: object) -> Response:
    return Response(content=json.dumps(data).encode(), content_type=JSON_TYPE)


def _html(body: str) -> Response:
    page = f'<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.1"></head><body>{body}</body></html>'
    return Response(content=page.encode(), content_type=HTML_TYPE)

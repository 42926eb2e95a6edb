"""The simple API of package indexes (PEP 503, 629, 691, 700): which files a project has, and where."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from envbuild.core.errors import NetworkError
from envbuild.core.lock import PipFile
from envbuild.net.credentials import strip_credentials
from envbuild.net.http import HttpClient

_JSON = "application/vnd.pypi.simple.v1+json"
_ACCEPT = f"{_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """One file as an index lists it. `metadata` says that its core metadata lies beside it (PEP 658).

    `provenance` is the URL of what is attested of it (PEP 740), empty where nothing is.
    """

    file: PipFile
    requires_python: str = ""
    metadata: bool = False
    provenance: str = ""


def project_files(index: str, name: str, client: HttpClient) -> tuple[IndexFile, ...] | None:
    """Return the files that the index at URL `index` has for normalised `name`; None where it does not know the name.

    Raises:
        NetworkError: the index cannot be reached, refuses, or sends something else.
    """
    return _page(f"{index.rstrip('/')}/{name}/", client)


def page_files(url: str, client: HttpClient) -> tuple[IndexFile, ...]:
    """Return the files that the page at `url` links to (pip's `--find-links`).

    Raises:
        NetworkError: as `project_files`, or there is no such page.
    """
    found = _page(url, client)
    if found is None:
        raise NetworkError(f"{strip_credentials(url)[0]} is not there")
    return found


def folder_files(folder: Path) -> tuple[IndexFile, ...]:
    """Return the files of a local folder; their `path` is absolute and they have no hash yet."""
    every = sorted(folder.iterdir()) if folder.is_dir() else []
    return tuple(IndexFile(file=PipFile(filename=one.name, path=str(one))) for one in every if one.is_file())


def hashed(file: PipFile, client: HttpClient) -> PipFile:
    """Return `file` with its SHA-256, read or downloaded where the index says none.

    Raises:
        NetworkError: it cannot be downloaded.
    """
    if file.sha256:
        return file
    content = Path(file.path).read_bytes() if file.path else client.get(file.url, limit=1 << 34)
    return replace(file, hashes=(("sha256", hashlib.sha256(content).hexdigest()),), size=len(content))


def file_version(filename: str) -> Version | None:
    """Return the version in the name of a wheel or source distribution; None where it is neither."""
    parsed = _parsed(filename)
    return parsed[1] if parsed else None


def is_of(name: str, version: Version) -> Callable[[IndexFile], bool]:
    """Return a test for files of the normalised distribution `name` at `version`."""
    return lambda one: _parsed(one.file.filename) == (name, version)


def _parsed(filename: str) -> tuple[str, Version] | None:
    try:
        return parse_wheel_filename(filename)[:2] if filename.endswith(".whl") else parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None


def _page(url: str, client: HttpClient) -> tuple[IndexFile, ...] | None:
    response, content = client.read(url, headers={"Accept": _ACCEPT}, accept=(200, 404))
    if response.status_code == 404:
        return None
    bare = strip_credentials(response.url)[0]
    if _JSON in response.headers.get("Content-Type", ""):
        return tuple(_from_json(content, bare))
    parser = _Links()
    try:
        parser.feed(content.decode("utf-8", "replace"))
        return tuple(_from_anchor(one, urljoin(bare, parser.base)) for one in parser.anchors)
    except (ValueError, AssertionError) as error:
        raise NetworkError(f"{bare} is no page of a package index (PEP 503): {error}") from None


def _from_json(content: bytes, url: str) -> Iterator[IndexFile]:
    try:
        entries = json.loads(content)["files"]
        for one in entries:
            yield _from_entry(one, url)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NetworkError(f"{url} is no page of a package index (PEP 691): {error}") from None


def _from_entry(entry: dict[str, Any], url: str) -> IndexFile:
    file = PipFile(
        filename=entry["filename"],
        url=urldefrag(urljoin(url, entry["url"])).url,
        size=entry.get("size"),
        hashes=tuple(sorted(entry.get("hashes", {}).items())),
        upload_time=to_second(entry.get("upload-time") or ""),
    )
    metadata = bool(entry.get("core-metadata", entry.get("dist-info-metadata", False)))
    return IndexFile(
        file=file,
        requires_python=entry.get("requires-python") or "",
        metadata=metadata,
        provenance=_joined(url, entry.get("provenance")),
    )


def _joined(page: str, url: object) -> str:
    return urljoin(page, url) if isinstance(url, str) and url else ""


def to_second(time: str) -> str:
    """Return an RFC 3339 `time` in UTC without its fraction, which not every resolver passes on."""
    return f"{time.partition('.')[0]}Z" if "." in time else time


def _from_anchor(attributes: dict[str, str], base: str) -> IndexFile:
    url, fragment = urldefrag(urljoin(base, attributes["href"]))
    algorithm, _, digest = fragment.partition("=")
    hashes = ((algorithm, digest),) if algorithm in hashlib.algorithms_guaranteed and digest else ()
    name = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    return IndexFile(
        file=PipFile(filename=name, url=url, hashes=hashes),
        requires_python=attributes.get("data-requires-python", ""),
        metadata="data-core-metadata" in attributes or "data-dist-info-metadata" in attributes,
        provenance=_joined(base, attributes.get("data-provenance")),
    )


class _Links(HTMLParser):
    """Collects the anchors of a page, and its base URL."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.anchors: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "base":
            self.base = self.base or attributes.get("href", "")
        elif tag == "a" and "href" in attributes:
            self.anchors.append(attributes)

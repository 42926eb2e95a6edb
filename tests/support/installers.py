"""The installers that a Dockerfile fetches, published on an index of our own: the very files that are installed here."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
from pathlib import Path

from envbuild.core.lock import PipFile, PipPackage
from tests.support.index import Index, Release

TAGS = {"uv": "py3-none", "py-rattler": "cp310-abi3"}


def publish_installers(index: Index) -> tuple[PipPackage, ...]:
    """Add uv and py-rattler to `index` and return them as a lock's tools."""
    return tuple(locked(index, _publish(index, name)) for name in TAGS)


def locked(index: Index, release: Release) -> PipPackage:
    """Return `release` as a lock holds it."""
    file = PipFile(
        filename=release.file_name,
        url=index.file_url(release),
        hashes=(("sha256", release.sha256),),
        size=len(release.content),
    )
    return PipPackage(name=release.name, version=release.version, index=index.url, wheels=(file,))


def _publish(index: Index, name: str) -> Release:
    release = _wheel(name)
    index.releases.append(release)
    return release


@functools.cache
def _wheel(name: str) -> Release:
    """The installed distribution as a wheel again."""
    found = importlib.metadata.distribution(name)
    prefix = f"{name.replace('-', '_')}-{found.version}"
    files: dict[str, bytes] = {}
    for entry in found.files or ():
        path = str(entry)
        if path.endswith((".pyc", "/RECORD", "/WHEEL", "/METADATA", "/INSTALLER")):
            continue
        inside = f"{prefix}.data/scripts/{entry.name}" if path.startswith("..") else path
        files[inside] = Path(str(found.locate_file(entry))).read_bytes()
    tag = f"{TAGS[name]}-manylinux_2_17_{platform.machine()}"
    return Index().add(name, found.version, files=files, tag=tag)

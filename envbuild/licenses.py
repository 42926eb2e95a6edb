"""Licences of wheels that this machine has: what no lock says of pip's side, read from the wheels themselves and never fetched."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from envbuild.core.archives import ZIP_DAMAGES
from envbuild.core.lock import PipFile, PipPackage
from envbuild.files import cache_root
from envbuild.formats.wheel_metadata import license_in
from envbuild.net.downloads import DownloadCache
from envbuild.net.integrity import Integrity

_LARGEST = 1 << 20
"""Bytes of a METADATA file; the largest known have some hundred thousand."""
_UNREADABLE: tuple[type[Exception], ...] = (OSError, ValueError, *ZIP_DAMAGES)


def known_licenses(packages: Iterable[PipPackage], root: Path) -> dict[tuple[str, str], str]:
    """Return the licence of each of `packages`, by name and version, of which this machine has a wheel or an installation.

    The paths of a lock start at `root`.
    """
    found = ((one, next(filter(None, _said(one, root)), "")) for one in packages)
    return {(one.name, one.version): said for one, said in found if said}


def wheel_license(wheel: Path) -> str:
    """Return the licence that `wheel` says it has; nothing where it says none, or cannot be read."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            found = [one for one in archive.infolist() if one.filename.endswith(".dist-info/METADATA")]
            if len(found) != 1 or found[0].file_size > _LARGEST:
                return ""
            return license_in(archive.read(found[0]).decode("utf-8", "replace"))
    except _UNREADABLE:
        return ""


def _said(package: PipPackage, root: Path) -> Iterator[str]:
    for wheel in package.wheels:
        if (place := _place(wheel, root)) is not None:
            yield wheel_license(place)
    for wheel in package.wheels:
        info = "-".join(wheel.filename.split("-")[:2])
        yield from _installed(f"{info}.dist-info")


def _place(file: PipFile, root: Path) -> Path | None:
    return root / file.path if file.path else DownloadCache().find(Integrity(sha256=file.sha256))


def _installed(info: str) -> Iterator[str]:
    for metadata in sorted((cache_root() / "prefixes").glob(f"*/lib/python*/site-packages/{info}/METADATA")):
        if metadata.stat().st_size <= _LARGEST:
            yield license_in(metadata.read_text("utf-8", "replace"))

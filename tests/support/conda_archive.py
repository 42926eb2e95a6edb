"""`.conda` archives made at test time: a zip with two `.tar.zst`, equal bytes for equal arguments."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import zstandard

PLACEHOLDER = "/envbuild_test_placeholder" + "_placehold" * 22
TIMESTAMP = 1704067200000  # milliseconds; 2024-01-01


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaFile:
    """One file of a package. `link` makes it a symbolic link; content that holds PLACEHOLDER is relocated on install."""

    content: bytes = b""
    executable: bool = False
    link: str = ""

    @property
    def relocation(self) -> Literal["", "text", "binary"]:
        """Return how the installer replaces the placeholder, or ""."""
        if PLACEHOLDER.encode() not in self.content:
            return ""
        return "binary" if b"\0" in self.content else "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaPackage:
    """A package file and its record, as `repodata.json` lists it."""

    file_name: str
    subdir: str
    content: bytes
    record: Mapping[str, object]


def make_conda(
    name: str,
    version: str,
    *,
    build: str = "0",
    build_number: int = 0,
    files: Mapping[str, CondaFile | bytes | str] | None = None,
    depends: Sequence[str] = (),
    constrains: Sequence[str] = (),
    subdir: str = "noarch",
    noarch: Literal["python", "generic"] | None = None,
    entry_points: Sequence[str] = (),
    about: Mapping[str, object] | None = None,
    timestamp: int = TIMESTAMP,
) -> CondaPackage:
    """Return a package; `entry_points` are `script = module:function` lines of a noarch python package.

    In a `noarch="python"` package, modules stand in `site-packages/`. Text files may be given as str.
    """
    kind = noarch or ("generic" if subdir == "noarch" else None)
    index: dict[str, object] = {
        "name": name,
        "version": version,
        "build": build,
        "build_number": build_number,
        "depends": list(depends),
        "constrains": list(constrains),
        "subdir": subdir,
        "timestamp": timestamp,
        "license": "MIT",
    }
    if kind:
        index["noarch"] = kind
    entries = {path: _file(content) for path, content in sorted((files or {}).items())}
    info = _info(index, entries, about or {})
    if kind == "python":
        info["info/link.json"] = _json(
            {"noarch": {"type": "python", "entry_points": list(entry_points)}, "package_metadata_version": 1}
        )
    stem = f"{name}-{version}-{build}"
    return _package(stem, subdir, index, {path: _file(data) for path, data in info.items()}, entries)


def _package(
    stem: str,
    subdir: str,
    index: Mapping[str, object],
    info: Mapping[str, CondaFile],
    entries: Mapping[str, CondaFile],
) -> CondaPackage:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path, data in (
            ("metadata.json", json.dumps({"conda_pkg_format_version": 2}).encode()),
            (f"pkg-{stem}.tar.zst", _tar(entries)),
            (f"info-{stem}.tar.zst", _tar(info)),
        ):
            archive.writestr(zipfile.ZipInfo(path, date_time=(2024, 1, 1, 0, 0, 0)), data)
    content = target.getvalue()
    record = {
        **index,
        "size": len(content),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return CondaPackage(file_name=f"{stem}.conda", subdir=subdir, content=content, record=record)


def _info(
    index: Mapping[str, object], entries: Mapping[str, CondaFile], about: Mapping[str, object]
) -> dict[str, bytes]:
    prefixes = "".join(
        f"{PLACEHOLDER} {entry.relocation} {path}\n" for path, entry in entries.items() if entry.relocation
    )
    info = {
        "info/index.json": _json(index),
        "info/about.json": _json({"summary": "made for envbuild's tests", **about}),
        "info/files": "".join(f"{path}\n" for path in entries).encode(),
        "info/paths.json": _json(
            {"paths": [_path(path, entry) for path, entry in entries.items()], "paths_version": 1}
        ),
    }
    return {**info, "info/has_prefix": prefixes.encode()} if prefixes else info


def _path(path: str, entry: CondaFile) -> dict[str, object]:
    described: dict[str, object] = {
        "_path": path,
        "path_type": "softlink" if entry.link else "hardlink",
        "sha256": hashlib.sha256(entry.content).hexdigest(),
        "size_in_bytes": len(entry.content),
    }
    if entry.relocation:
        described |= {"prefix_placeholder": PLACEHOLDER, "file_mode": entry.relocation}
    return described


def _tar(entries: Mapping[str, CondaFile]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, entry in entries.items():
            member = tarfile.TarInfo(path)
            member.mtime = TIMESTAMP // 1000
            member.mode = 0o755 if entry.executable else 0o644
            if entry.link:
                member.type, member.linkname = tarfile.SYMTYPE, entry.link
            else:
                member.size = len(entry.content)
            archive.addfile(member, io.BytesIO(entry.content))
    return zstandard.ZstdCompressor(level=3).compress(target.getvalue())


def _file(content: CondaFile | bytes | str) -> CondaFile:
    if isinstance(content, CondaFile):
        return content
    return CondaFile(content=content.encode() if isinstance(content, str) else content)


def _json(data: object) -> bytes:
    return (json.dumps(data, indent=2, sort_keys=True) + "\n").encode()

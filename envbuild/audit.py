"""Known vulnerabilities of what a lock holds, from an OSV database: a file of ours or anybody's, asked offline.

The schema is OSV's (ossf.github.io/osv-schema, 1.6): an advisory has `affected` entries with a package, `versions` and `ranges`.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envbuild.core.archives import ZIP_DAMAGES
from envbuild.core.errors import FileError
from envbuild.core.lock import Lock
from envbuild.core.names import normalize

LARGEST = 1 << 30
"""Bytes of a database, unpacked too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One advisory that covers one locked package. `fixed` are the versions that the advisory names as cured."""

    id: str
    aliases: tuple[str, ...]
    package: str
    version: str
    summary: str = ""
    fixed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return it as `--json` prints it."""
        return {
            "id": self.id,
            "aliases": list(self.aliases),
            "package": self.package,
            "version": self.version,
            "summary": self.summary,
            "fixed": list(self.fixed),
        }


_UNREADABLE: tuple[type[Exception], ...] = (OSError, UnicodeDecodeError, *ZIP_DAMAGES)


def audit(lock: Lock, advisories: Iterator[Mapping[str, Any]] | Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Return what `advisories` say of the Python distributions of `lock`, its installers among them, sorted.

    conda packages are looked up by the name of the distribution, for OSV has no ecosystem of conda's.
    """
    held = {(normalize(one.name), one.version) for one in (*lock.pip, *lock.tools) if one.version}
    held |= {(normalize(one.name), one.version) for one in lock.conda}
    versions: dict[str, set[str]] = {}
    for name, version in held:
        versions.setdefault(name, set()).add(version)
    found = {one for entry in advisories for one in _of_advisory(entry, versions)}
    return tuple(sorted(found, key=lambda one: (one.package, one.version, one.id)))


def read_database(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the advisories of a database: a ZIP of JSON files (as OSV publishes them), JSON lines, or one JSON list.

    Raises:
        FileError: it cannot be read, is too large, or holds something else.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise FileError(f"{path} has more than {LARGEST >> 20} MiB")
        if zipfile.is_zipfile(path):
            yield from _of_zip(path)
        else:
            yield from _of_text(path.read_text(encoding="utf-8"), str(path))
    except _UNREADABLE as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise FileError(f"the database {path} cannot be read: {reason}") from error


def _of_zip(path: Path) -> Iterator[Mapping[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        if sum(one.file_size for one in archive.infolist()) > LARGEST:
            raise FileError(f"{path} would unpack to more than {LARGEST >> 20} MiB")
        for one in archive.infolist():
            if one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise FileError(f"{path}: {one.filename} is compressed in another way than a ZIP of advisories is")
            # zipfile asks for a buffer of the size that is claimed
            if one.compress_size > path.stat().st_size:
                raise FileError(f"{path}: {one.filename} says that it is larger than the ZIP itself")
            if one.filename.endswith(".json"):
                yield from _of_text(archive.read(one).decode("utf-8"), f"{path}: {one.filename}")


def _of_text(text: str, place: str) -> Iterator[Mapping[str, Any]]:
    try:
        entries = _parsed(text)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{place} is neither JSON nor JSON lines") from error
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise FileError(f"{place} holds something that is no OSV advisory (no id)")
        yield entry


def _parsed(text: str) -> list[Any]:
    try:
        whole = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return whole if isinstance(whole, list) else [whole]


def _of_advisory(entry: Mapping[str, Any], versions: Mapping[str, set[str]]) -> Iterator[Finding]:
    if entry.get("withdrawn"):
        return
    for affected in _dicts(entry.get("affected")):
        package = affected.get("package")
        if not isinstance(package, dict) or package.get("ecosystem") != "PyPI":
            continue
        name = normalize(str(package.get("name", "")))
        for version in versions.get(name, ()):
            if is_affected(version, affected):
                yield Finding(
                    id=str(entry["id"]),
                    aliases=tuple(sorted(map(str, _list(entry.get("aliases"))))),
                    package=name,
                    version=version,
                    summary=" ".join(str(entry.get("summary") or "").split())[:200],
                    fixed=tuple(dict.fromkeys(_fixed(affected))),
                )


def is_affected(version: str, affected: Mapping[str, Any]) -> bool:
    """Tell whether `version` (PEP 440) is among the versions or in a range of one `affected` entry."""
    from packaging.version import InvalidVersion, Version

    try:
        ours = Version(version)
    except InvalidVersion:
        return version in _list(affected.get("versions"))
    if any(_version(str(one)) == ours for one in _list(affected.get("versions"))):
        return True
    return any(_in_range(ours, _dicts(one.get("events"))) for one in _ranges(affected))


def _in_range(ours: Any, events: Sequence[Mapping[str, Any]]) -> bool:
    """Walk the events in the order of their versions, as OSV's evaluation says; `0` stands before every version."""
    steps = []
    for event in events:
        for kind, text in event.items():
            version = None if text == "0" else _version(str(text))
            if kind in ("introduced", "fixed", "last_affected") and (version is not None or text == "0"):
                steps.append((version, kind))
    inside = False
    for version, kind in sorted(steps, key=lambda one: (one[0] is not None, one[0] or 0)):
        if kind == "introduced" and (version is None or ours >= version):
            inside = True
        elif version is not None and (
            (kind == "fixed" and ours >= version) or (kind == "last_affected" and ours > version)
        ):
            inside = False
    return inside


def _version(text: str) -> Any:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion:
        return None


def _ranges(affected: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in _dicts(affected.get("ranges")) if one.get("type") in ("ECOSYSTEM", "SEMVER")]


def _fixed(affected: Mapping[str, Any]) -> Iterator[str]:
    for one in _ranges(affected):
        yield from (str(event["fixed"]) for event in _dicts(one.get("events")) if "fixed" in event)


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []

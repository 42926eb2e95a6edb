"""uv.lock (version 1): what the projects in it need, worked out for each platform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from envbuild.core.lock import Lock, PipFile, PipPackage
from envbuild.core.platforms import PLATFORMS
from envbuild.core.selection import marker_environment
from envbuild.formats import checks
from envbuild.formats.canonical import canonical
from envbuild.formats.fields import Table
from envbuild.formats.folding import fold
from envbuild.formats.pip_entries import parse_vcs
from envbuild.formats.pip_values import canonical_time
from envbuild.formats.python_range import COMMON_PLATFORMS, lowest_python
from envbuild.formats.toml_text import load
from envbuild.formats.urls import filename, is_url

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Entry:
    package: PipPackage
    table: Table
    is_project: bool


def read_uv(text: str, file: str) -> Lock:
    """Return the lock of a uv.lock's projects with their default dependencies (no extras, no groups).

    uv puts markers on the edges between packages; here each package names the platforms that reach it, for the lowest
    Python that the file is for. A file without a project gives all its packages.

    Raises:
        LockError: it is not such a file; every problem is named with its key.
    """
    root = load(text, file)
    version = root.number("version")
    if version != 1:
        root.wrong("version", f"{version} is not a version of uv.lock that envbuild knows (1)")
        root.notes.check()
    entries = _entries(root)
    root.notes.check()
    python = lowest_python(checks.specifier(root))
    lock = Lock(definition_hash="", platforms=COMMON_PLATFORMS, python=python, created_by="uv")
    packages = [replace(one, platforms=(name,)) for name in lock.platforms for one in _reached(entries, lock, name)]
    root.notes.check()
    index = next((one.index for one in packages if one.index), "")
    return canonical(replace(lock, pip=fold(packages, lock.platforms), index_url=index))


def _entries(root: Table) -> dict[Key, _Entry]:
    found = {}
    for table in root.tables("package"):
        source = table.table("source")
        package = _package(table, source)
        is_project = any(source.has(name) for name in ("editable", "virtual"))
        found[package.name, package.version] = _Entry(package, table, is_project)
    return found


def _package(table: Table, source: Table) -> PipPackage:
    package = PipPackage(
        name=checks.distribution(table),
        version=checks.pip_version(table),
        dependencies=tuple(sorted({checks.distribution(one) for one in table.tables("dependencies")})),
    )
    sdist = _file(table.table("sdist"), source) if table.has("sdist") else None
    wheels = tuple(_file(one, source) for one in table.tables("wheels"))
    if source.has("git"):
        vcs = parse_vcs("git+" + checks.url(source, "git"))
        if vcs is None or not vcs.commit:
            source.wrong("git", "names no commit")
        elif vcs is not None:
            checks.folder(source, "git", vcs.subdirectory)
        return replace(package, vcs=vcs)
    if source.has("url") or source.has("path"):
        archive = wheels[0] if wheels else sdist or _file(source, source)
        return replace(package, archive=archive)
    folder = source.text("directory") or source.text("editable") or source.text("virtual")
    if folder:
        return replace(package, directory=checks.folder(source, "", folder))
    registry = source.text("registry")
    return replace(
        package, wheels=wheels, sdist=sdist, index=checks.url(source, "registry") if is_url(registry) else ""
    )


def _file(table: Table, source: Table) -> PipFile:
    url, path = checks.url(table), table.text("path")
    if not url and not path:
        url, path = checks.url(source), source.text("path")
    return PipFile(
        filename=checks.file_name(table, "url", table.text("filename") or filename(url or path)),
        url=url,
        path="" if url else checks.folder(table, "path", path),
        size=table.number("size"),
        hashes=checks.hash_pair(table, "hash"),
        upload_time=canonical_time(table.text("upload-time")) or _time(table),
    )


def _time(table: Table) -> str:
    value = table.data.get("upload_time")
    return canonical_time(value) if isinstance(value, str) else ""


def _reached(entries: Mapping[Key, _Entry], lock: Lock, platform: str) -> list[PipPackage]:
    environment = marker_environment(lock, PLATFORMS[platform])
    projects = [one for one in entries.values() if one.is_project]
    if not projects:
        return [one.package for one in entries.values()]
    waiting: list[tuple[_Entry, frozenset[str]]] = [(one, frozenset()) for one in projects]
    seen: dict[Key, frozenset[str]] = {}
    while waiting:
        entry, extras = waiting.pop()
        key = entry.package.name, entry.package.version
        known = seen.get(key)
        if known is not None and extras <= known:
            continue
        seen[key] = extras | (known or frozenset())
        waiting.extend(_needs(entry, seen[key], entries, environment))
    return [entries[key].package for key in sorted(seen) if not entries[key].is_project]


def _needs(
    entry: _Entry, extras: frozenset[str], entries: Mapping[Key, _Entry], environment: Mapping[str, str]
) -> Iterator[tuple[_Entry, frozenset[str]]]:
    optional = entry.table.table("optional-dependencies")
    edges = [*entry.table.tables("dependencies"), *(one for extra in sorted(extras) for one in optional.tables(extra))]
    for edge in edges:
        if _holds(checks.marker(edge), environment):
            yield from ((one, frozenset(edge.texts("extra"))) for one in _targets(edge, entries))


def _targets(edge: Table, entries: Mapping[Key, _Entry]) -> list[_Entry]:
    name, version = checks.distribution(edge), edge.text("version")
    found = [one for key, one in entries.items() if key[0] == name and version in ("", key[1])]
    if not found:
        edge.wrong("name", f"{name} {version}".rstrip() + " is not among the file's packages")
    return found


def _holds(marker: str, environment: Mapping[str, str]) -> bool:
    if not marker:
        return True
    from packaging.markers import Marker

    return Marker(marker).evaluate(dict(environment), context="lock_file")

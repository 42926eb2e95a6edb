"""Pipfile.lock (pipfile-spec 6): its pins and hashes. It has no URLs, so a lock from it is a starting point for a solve."""

from __future__ import annotations

from envbuild.core.lock import Lock, LockedPython, PipFile, PipPackage, Vcs
from envbuild.core.names import is_distribution, normalize
from envbuild.formats import checks
from envbuild.formats.canonical import canonical
from envbuild.formats.fields import Table
from envbuild.formats.mamba_lock import load_json
from envbuild.formats.python_range import COMMON_PLATFORMS
from envbuild.formats.urls import filename, is_url, without_credentials


def read_pipfile(text: str, file: str) -> Lock:
    """Return the pins of a Pipfile.lock's `default` section; its hashes name no files.

    Raises:
        LockError: it is not such a file; every problem is named with its key.
    """
    root = load_json(text, file)
    meta = root.table("_meta")
    if meta.number("pipfile-spec") != 6:
        meta.wrong("pipfile-spec", "is not 6, the only version of Pipfile.lock that envbuild knows")
    sources = [checks.url(one) for one in meta.tables("sources")]
    default = root.table("default")
    pip = tuple(_package(default, name) for name in default.data)
    requires = meta.table("requires")
    root.notes.check()
    version = requires.text("python_full_version") or requires.text("python_version")
    return canonical(
        Lock(
            definition_hash="",
            platforms=COMMON_PLATFORMS,
            pip=pip,
            python=LockedPython(version=version, provider="base") if version.count(".") > 0 else None,
            index_url=sources[0] if sources else "",
            extra_index_urls=tuple(sources[1:]),
            created_by="pipenv",
        )
    )


def _package(section: Table, name: str) -> PipPackage:
    entry = section.table(name)
    if not is_distribution(name):
        section.wrong(name, "is not the name of a Python distribution")
    version = entry.text("version").removeprefix("===").removeprefix("==")
    file, folder = checks.url(entry, "file"), checks.folder(entry, "path", entry.text("path"))
    hashes = _hashes(entry)
    return PipPackage(
        name=normalize(name),
        version=checks.matching_version(entry, "version", version) if version != "*" else "",
        marker=checks.marker(entry, "markers"),
        wheels=tuple(PipFile(filename="", hashes=(one,)) for one in hashes) if not file else (),
        archive=PipFile(filename=filename(file), url=file, hashes=hashes[:1]) if file else None,
        vcs=_vcs(entry) if entry.has("git") else None,
        directory=folder,
    )


def _hashes(entry: Table) -> tuple[tuple[str, str], ...]:
    named = {one: one for one in entry.texts("hashes") if one.startswith("sha256:")}
    table = Table(dict(named), (*entry.path, "hashes"), entry.notes)
    return tuple(pair for one in named for pair in checks.hash_pair(table, one))


def _vcs(entry: Table) -> Vcs:
    url = entry.text("git").removeprefix("git+")
    if not is_url(url):
        entry.wrong("git", f"{url[:80]!r} is not a URL")
    return Vcs(
        type="git",
        url=without_credentials(url),
        commit=checks.revision(entry, "ref", entry.text("ref")),
        subdirectory=checks.folder(entry, "subdirectory", entry.text("subdirectory")),
    )

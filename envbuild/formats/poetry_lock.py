"""poetry.lock (versions 1 and 2): its pins and hashes. It has no URLs, so a lock from it is a starting point for a solve."""

from __future__ import annotations

from dataclasses import replace

from envbuild.core.lock import Lock, PipFile, PipPackage, Vcs
from envbuild.core.names import normalize
from envbuild.formats import checks
from envbuild.formats.canonical import canonical
from envbuild.formats.fields import Table
from envbuild.formats.folding import only_known_dependencies
from envbuild.formats.python_range import COMMON_PLATFORMS, lowest_python
from envbuild.formats.toml_text import load
from envbuild.formats.urls import filename


def read_poetry(text: str, file: str) -> Lock:
    """Return the pins of a poetry.lock's main group, with hashes but without URLs.

    Raises:
        LockError: it is not such a file; every problem is named with its key.
    """
    root = load(text, file)
    metadata = root.table("metadata")
    version = metadata.text("lock-version") or "1.0"
    if version.partition(".")[0] not in ("1", "2"):
        metadata.wrong("lock-version", f"{version[:20]!r} is not a version of poetry.lock that envbuild knows (1, 2)")
    packages = tuple(_package(one, metadata) for one in root.tables("package") if _is_main(one))
    root.notes.check()
    specifier = metadata.text("python-versions")
    return canonical(
        Lock(
            definition_hash="",
            platforms=COMMON_PLATFORMS,
            pip=only_known_dependencies(packages),
            python=lowest_python(poetry_specifier(specifier)),
            created_by="poetry",
        )
    )


def _is_main(table: Table) -> bool:
    groups = table.texts("groups")
    return not table.data.get("optional") and (not groups or "main" in groups) and table.text("category") != "dev"


def poetry_specifier(text: str) -> str:
    """Return the PEP 440 form of Poetry's `^3.9`, `~3.9` and `*`; an empty text for what has none (`||`)."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    parts = [_part(one.strip()) for one in text.split(",")]
    joined = ",".join(one for one in parts if one)
    try:
        return str(SpecifierSet(joined))
    except InvalidSpecifier:
        return ""


def _part(text: str) -> str:
    if text.startswith("^"):
        return f">={text[1:]},<{int(text[1]) + 1}" if text[1:2].isdigit() else text
    if text.startswith("~") and not text.startswith("~="):
        return f"~={text[1:]}.0" if text.count(".") == 1 else f"~={text[1:]}"
    return "" if text == "*" else text


def _package(table: Table, metadata: Table) -> PipPackage:
    name = table.text("name")
    files = table.tables("files") or metadata.table("files").tables(name)
    found = tuple(map(_file, files)) or tuple(map(_nameless, metadata.table("hashes").texts(name)))
    package = PipPackage(
        name=checks.distribution(table),
        version=checks.pip_version(table),
        marker=_marker(table),
        requires_python=poetry_specifier(table.text("python-versions")),
        dependencies=tuple(sorted(map(normalize, table.table("dependencies").data))),
        wheels=tuple(one for one in found if not one.filename.endswith((".tar.gz", ".zip", ".tar.bz2"))),
        sdist=next((one for one in found if one.filename.endswith((".tar.gz", ".zip", ".tar.bz2"))), None),
    )
    return _sourced(package, table.table("source")) if table.has("source") else package


def _marker(table: Table) -> str:
    if isinstance(table.data.get("markers"), dict):
        return checks.marker(table.table("markers"), "main")
    return checks.marker(table, "markers")


def _file(table: Table) -> PipFile:
    name = checks.file_name(table, "file", table.text("file"))
    return PipFile(filename=name, hashes=checks.hash_pair(table, "hash"))


def _nameless(digest: str) -> PipFile:
    # Poetry before 1.0 kept digests only
    return PipFile(filename="", hashes=(("sha256", digest),))


def _sourced(package: PipPackage, source: Table) -> PipPackage:
    kind = source.text("type")
    bare = replace(package, wheels=(), sdist=None)
    if kind == "git":
        vcs = Vcs(
            type="git",
            url=checks.url(source, required=True),
            commit=checks.revision(source, "resolved_reference", source.text("resolved_reference")),
            requested_revision=source.text("reference"),
            subdirectory=checks.folder(source, "subdirectory", source.text("subdirectory")),
        )
        return replace(bare, vcs=vcs)
    if kind == "directory":
        return replace(bare, directory=checks.folder(source, "url", source.text("url", required=True)))
    if kind in ("url", "file"):
        file = next(package.files, None) or PipFile(filename=filename(source.text("url")))
        url, path = (
            (checks.url(source), "") if kind == "url" else ("", checks.folder(source, "url", source.text("url")))
        )
        return replace(bare, archive=replace(file, url=url, path=path))
    return replace(package, index=checks.url(source))

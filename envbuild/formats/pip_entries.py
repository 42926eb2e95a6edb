"""One pip package as an entry of conda-lock.yml v1 (`manager: pip`, one file), and the facts that an entry has no key for."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qsl

from envbuild.core.lock import PipFile, PipPackage, Vcs
from envbuild.core.names import normalize
from envbuild.formats import checks
from envbuild.formats.fields import Table
from envbuild.formats.pip_values import canonical_time, set_only
from envbuild.formats.urls import filename, is_url, without_credentials

_SCHEME = re.compile(r"(git|hg|bzr|svn)\+(.+)")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_AT = re.compile(r"(.+)@([^@/]+)")
_ENTRY_HASHES = ("md5", "sha256")


def entry_url(package: PipPackage) -> str:
    """Return the `url` of the entry: a file's, `git+…@commit`, or `file:` with a path relative to the lock."""
    if package.vcs is not None:
        part = f"#subdirectory={package.vcs.subdirectory}" if package.vcs.subdirectory else ""
        return f"{package.vcs.type}+{without_credentials(package.vcs.url)}@{package.vcs.commit}{part}"
    if package.directory:
        return f"file:{package.directory.rstrip('/')}/"
    file = next(package.files)
    return file.url or f"file:{file.path}"


def entry_hashes(package: PipPackage) -> dict[str, str]:
    """Return the `hash` of the entry; of version control it is the commit, as conda-lock writes it."""
    if package.vcs is not None:
        return {"sha256": package.vcs.commit}
    known = dict(next(package.files).hashes) if not package.directory else {}
    return {name: known[name] for name in _ENTRY_HASHES if name in known}


def is_direct(package: PipPackage) -> bool:
    """Tell whether the entry has a `source`: it was asked for by URL, not by name from an index."""
    return package.archive is not None or package.vcs is not None


def source_url(package: PipPackage) -> str:
    """Return the URL of the entry's `source`; conda-lock installs from it without `hash`, so the digest stands in it."""
    url = entry_url(package)
    return f"{url}#sha256={package.archive.sha256}" if package.archive and package.archive.sha256 else url


def separate_facts(package: PipPackage, index_url: str) -> dict[str, object]:
    """Return what is known of `package` beyond its entry's keys and what follows from them, by PEP 751's names."""
    file = next(package.files, None)
    return set_only(
        {
            "marker": package.marker,
            "requires-python": package.requires_python,
            "index": package.index if package.index != index_url else "",
            "requested-revision": package.vcs.requested_revision if package.vcs else "",
            **(_file_facts(file) if file else {}),
            "kind": "sdist" if package.sdist is not None and package.sdist.filename.endswith(".whl") else "",
            "no-index": "yes" if index_url and not package.index else "",
        }
    )


def _file_facts(file: PipFile) -> dict[str, object]:
    return {
        "name": "" if file.filename == filename(file.url or file.path) else file.filename,
        "upload-time": file.upload_time,
        "size": file.size,
        "hashes": {name: one for name, one in file.hashes if name not in _ENTRY_HASHES},
    }


def read_pip(entry: Table, facts: Table, index_url: str) -> PipPackage:
    """Return the package of one entry with `manager: pip`, with the `facts` that stand beside it; `platforms` has one."""
    url = without_credentials(entry.text("url", required=True))
    vcs = _read_vcs(entry, url, facts)
    directory = url[5:].rstrip("/") if url.startswith("file:") and url.endswith("/") else ""
    file = None if vcs or directory or not url else _read_file(entry, url, facts)
    wheel = file is not None and file.filename.endswith(".whl") and facts.text("kind") != "sdist"
    direct = bool(entry.table("source").data)
    return PipPackage(
        name=checks.distribution(entry),
        version=checks.pip_version(entry),
        marker=checks.marker(facts),
        requires_python=checks.specifier(facts),
        index="" if facts.has("no-index") else facts.text("index") or index_url,
        dependencies=_dependencies(entry),
        wheels=(file,) if file and wheel and not direct else (),
        sdist=file if file and not wheel and not direct else None,
        archive=file if file and direct else None,
        vcs=vcs,
        directory=checks.folder(entry, "url", directory),
        platforms=(checks.platform(entry),),
    )


def _dependencies(entry: Table) -> tuple[str, ...]:
    if isinstance(entry.data.get("dependencies"), list):
        return tuple(sorted({normalize(re.split(r"[^\w.-]", one)[0]) for one in entry.texts("dependencies")}))
    return tuple(sorted({normalize(one) for one in entry.table("dependencies").data}))


def _read_vcs(entry: Table, url: str, facts: Table) -> Vcs | None:
    vcs = parse_vcs(url)
    if vcs is None:
        return None
    commit = vcs.commit or entry.table("hash").text("sha256")
    if not commit or not is_url(vcs.url):
        entry.wrong("url", "names no commit", hint="write git+https://…@<commit>")
    checks.revision(entry, "url", commit)
    checks.folder(entry, "url", vcs.subdirectory)
    return replace(vcs, commit=commit, requested_revision=facts.text("requested-revision") or vcs.requested_revision)


def parse_vcs(url: str) -> Vcs | None:
    """Return what a URL of version control names, or None where it is not one.

    Read are pip's form (`git+URL@commit#subdirectory=…`) and uv's (`git+URL?rev=…&subdirectory=…#commit`).
    """
    found = _SCHEME.fullmatch(url)
    if found is None:
        return None
    bare, _, fragment = found[2].partition("#")
    bare, _, query = bare.partition("?")
    options = dict(parse_qsl(f"{query}&{fragment}"))
    if _COMMIT.fullmatch(fragment):
        base, commit = bare, fragment
    else:
        at = _AT.fullmatch(bare)
        base, commit = (at[1], at[2]) if at else (bare, "")
    revision = options.get("rev") or options.get("tag") or options.get("branch") or ""
    return Vcs(
        type=found[1],
        url=base,
        commit=commit,
        requested_revision="" if revision == commit else revision,
        subdirectory=options.get("subdirectory", ""),
    )


def direct_package(name: str, url: str, sha256: str = "", version: str = "") -> PipPackage | None:
    """Return the package `name` that is installed from `url` (a file, or version control at a commit), or None."""
    vcs = parse_vcs(url)
    if vcs is not None:
        return PipPackage(name=name, version=version, vcs=vcs) if _COMMIT.fullmatch(vcs.commit) else None
    file = PipFile(filename=filename(url), url=url, hashes=(("sha256", sha256),) if sha256 else ())
    return PipPackage(name=name, version=version or file_version(file.filename), archive=file)


def file_version(name: str) -> str:
    """Return the version that a wheel's or source distribution's file name says, else an empty text."""
    from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

    try:
        return str((parse_wheel_filename(name) if name.endswith(".whl") else parse_sdist_filename(name))[1])
    except (InvalidWheelFilename, InvalidSdistFilename):
        return ""


def _read_file(entry: Table, url: str, facts: Table) -> PipFile:
    relative = url.startswith("file:") and not url.startswith("file:/")
    if not relative and not is_url(url):
        entry.wrong("url", f"{url[:80]!r} is not a URL")
    digests = {**dict(checks.hashes(entry, "hash")), **dict(checks.hashes(facts))}
    return PipFile(
        filename=checks.file_name(entry, "url", facts.text("name") or filename(url)),
        url="" if relative else url,
        path=checks.folder(entry, "url", url[5:]) if relative else "",
        size=facts.number("size"),
        hashes=tuple(sorted(digests.items())),
        upload_time=canonical_time(facts.text("upload-time")),
    )

"""requirements.txt with exact pins and hashes: what `pip install --require-hashes -r` and `uv pip sync` take."""

from __future__ import annotations

from collections.abc import Iterator

from envbuild.core.errors import LockError, Problem
from envbuild.core.lock import Lock, PipFile, PipPackage
from envbuild.core.platforms import PLATFORMS
from envbuild.core.selection import select
from envbuild.formats.canonical import canonical
from envbuild.formats.pylock import platform_marker
from envbuild.formats.urls import without_credentials


def write_requirements(lock: Lock, platform: str = "", *, urls: bool = False, hashes: bool = True) -> str:
    """Return the pip part of `lock` as a requirements file.

    Args:
        lock: the lock; its conda packages are left out.
        platform: the conda subdir whose files are pinned; empty for all of the lock's, told apart by markers.
        urls: name each file by its URL (`name @ https://…`), so that no index is asked; needs `platform`.
        hashes: add `--hash`, which `--require-hashes` asks for.

    Raises:
        LockError: a package cannot be pinned by hash (version control, a folder) or by URL.
        PlanError: a distribution has no file for `platform`.
    """
    whole = canonical(lock)
    if urls and not platform:
        raise LockError("direct URLs are those of one platform", hint="name the platform")
    pins = list(_of_platform(whole, platform)) if platform else [(one, tuple(one.files)) for one in whole.pip]
    problems = [problem for one, files in pins for problem in _problems(one, files, urls=urls, hashes=hashes)]
    if problems:
        raise LockError(problems)
    lines = [] if urls else list(_index_options(whole))
    for package, files in pins:
        marker = "" if platform else _marker(package)
        lines.append(_line(package, files, marker, urls=urls, hashes=hashes))
    return "".join(f"{line}\n" for line in lines)


def _of_platform(lock: Lock, platform: str) -> Iterator[tuple[PipPackage, tuple[PipFile, ...]]]:
    for chosen in select(lock, platform).pip:
        yield chosen.package, (chosen.file,) if chosen.file else ()


def _index_options(lock: Lock) -> Iterator[str]:
    if lock.index_url:
        yield f"--index-url {without_credentials(lock.index_url)}"
    yield from (f"--extra-index-url {without_credentials(one)}" for one in lock.further_indexes)


def _problems(package: PipPackage, files: tuple[PipFile, ...], *, urls: bool, hashes: bool) -> Iterator[Problem]:
    name = f"{package.name} {package.version}".rstrip()
    if hashes and not any(one.sha256 for one in files):
        what = "comes from version control" if package.vcs else "is a folder" if package.directory else "has no SHA-256"
        yield Problem(message=f"{name} {what}, so no hash can be required of it", hint="export without hashes")
    elif urls and not any(one.url or one.path for one in files) and not package.vcs and not package.directory:
        yield Problem(message=f"{name} has no URL", hint="export without URLs, or run envbuild lock")


def _marker(package: PipPackage) -> str:
    known = [one for one in package.platforms if one in PLATFORMS]
    if not known:
        return package.marker
    places = " or ".join(f"({platform_marker(one)})" if len(known) > 1 else platform_marker(one) for one in known)
    return f"({package.marker}) and ({places})" if package.marker else places


def _line(package: PipPackage, files: tuple[PipFile, ...], marker: str, *, urls: bool, hashes: bool) -> str:
    line = _requirement(package, files, urls=urls)
    if marker:
        line += f" ; {marker}"
    digests = sorted({one.sha256 for one in files if one.sha256}) if hashes else []
    return " \\\n    ".join([line, *(f"--hash=sha256:{digest}" for digest in digests)])


def _requirement(package: PipPackage, files: tuple[PipFile, ...], *, urls: bool) -> str:
    if package.vcs is not None:
        vcs = package.vcs
        part = f"#subdirectory={vcs.subdirectory}" if vcs.subdirectory else ""
        return f"{package.name} @ {vcs.type}+{vcs.url}@{vcs.commit}{part}"
    if package.directory:
        return _local(package.directory)
    if files and files[0].path:
        return _local(files[0].path)
    if files and (urls or package.archive is not None):
        return f"{package.name} @ {files[0].url}"
    return f"{package.name}=={package.version}"


def _local(path: str) -> str:
    # a bare name would be taken for a distribution's
    return path if path.startswith((".", "/")) else f"./{path}"

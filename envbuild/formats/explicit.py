"""`@EXPLICIT` lists of one platform's conda packages: what conda, mamba and micromamba install without a solve."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from envbuild.core.errors import LockError, Problem
from envbuild.core.graph import installation_order
from envbuild.core.lock import CondaPackage, Lock, PipPackage
from envbuild.core.names import is_distribution, normalize
from envbuild.formats.canonical import canonical
from envbuild.formats.conda_entries import file_parts, from_url, place, python_of
from envbuild.formats.pip_entries import direct_package
from envbuild.formats.urls import is_url, without_credentials

_PLATFORM = re.compile(r"^#\s*platform:\s*([a-z0-9]+-[a-z0-9]+)\s*$", re.MULTILINE)
_PIP = re.compile(r"#\s*pip\s+(\S+)\s*@\s*(\S+?)(?:#sha256=([0-9a-f]{64}))?(?:\s+--hash=sha256:([0-9a-f]{64}))?\s*")
_ARCHIVE = re.compile(r".+\.(?:conda|tar\.bz2|tar\.zst)")
_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{64})|(?:md5:)?([0-9a-f]{32})")


def write_explicit(lock: Lock, platform: str, *, digest: Literal["md5", "sha256", "known"] = "md5") -> str:
    """Return the `@EXPLICIT` list of `platform`, each package after what it depends on.

    `#md5` is what every conda and mamba checks; `#sha256:…` is not (mamba before 2.1 ignores it). With `known` each
    package has the one that it has, or none. The list has no pip packages: only some tools would install them.

    Raises:
        LockError: the lock is not for `platform`, or a package has no such digest.
    """
    if platform not in lock.platforms:
        raise LockError(f"the lock is for {', '.join(lock.platforms)}, not for {platform}")
    packages = installation_order(one for one in canonical(lock).conda if one.platform == platform)
    hashes = {one: _fragment(one, digest) for one in packages}
    lacking = [one for one in packages if not hashes[one] and digest != "known"]
    if lacking:
        raise LockError([Problem(message=f"{one.name} {one.version} ({platform}) has no {digest}") for one in lacking])
    lines = (one.url + hashes[one] for one in packages)
    return "\n".join([f"# platform: {platform}", "@EXPLICIT", *lines]) + "\n"


def _fragment(package: CondaPackage, digest: str) -> str:
    if package.md5 and digest != "sha256":
        return f"#{package.md5}"
    return f"#sha256:{package.sha256}" if package.sha256 and digest != "md5" else ""


def read_explicit(text: str, file: str) -> Lock:
    """Return the lock of an `@EXPLICIT` list; pip packages are in it where conda-lock left them as comments.

    Raises:
        LockError: a line is no package URL; each such line is named.
    """
    problems: list[Problem] = []
    named = _PLATFORM.search(text)
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    start = next((number for number, line in lines if line == "@EXPLICIT"), None)
    if start is None:
        raise LockError(Problem(message="has no line @EXPLICIT", file=file))
    urls = [(number, line) for number, line in lines if line and line != "@EXPLICIT" and not line.startswith("#")]
    platform = named[1] if named else _platform_of([url for _, url in urls])
    if not platform:
        raise LockError(
            Problem(
                message="names no platform, and its packages are noarch or of several",
                file=file,
                hint="write it on a line of its own, for example `# platform: linux-64`",
            )
        )
    conda = tuple(_conda(line, number, file, platform, problems) for number, line in urls)
    pip = tuple(found for number, line in lines if line.startswith("#") for found in _pip(line, number, file, problems))
    if problems:
        raise LockError(problems)
    channels = tuple(sorted({one.channel for one in conda}))  # a list has no order of channels
    return canonical(
        Lock(
            definition_hash="",
            platforms=(platform,),
            channels=channels,
            conda=tuple(dict.fromkeys(conda)),
            pip=pip,
            python=python_of(conda),
            created_by="conda",
        )
    )


def _platform_of(lines: list[str]) -> str:
    found = {place(line)[1] for line in lines} - {"noarch", ""}
    return found.pop() if len(found) == 1 else ""


def _conda(line: str, number: int, file: str, platform: str, problems: list[Problem]) -> CondaPackage:
    url, _, fragment = line.partition("#")
    name, version, _ = file_parts(place(url)[2])
    digest = _HASH.fullmatch(fragment.lower())
    if not is_url(url) or not _ARCHIVE.fullmatch(url) or not name:
        message = f"{line[:120]!r} is not the URL of a conda package (…/linux-64/name-version-build.conda)"
        problems.append(Problem(message=message, file=file, line=number))
    elif fragment and digest is None:
        message = f"{fragment[:80]!r} is neither an MD5 nor a SHA-256"
        problems.append(Problem(message=message, file=file, line=number))
    package = from_url(
        name=name, version=version, platform=platform, url=without_credentials(url), depends=(), channels=()
    )
    return _hashed(package, (digest[2] or "", digest[1] or "") if digest else ("", ""))


def _hashed(package: CondaPackage, digests: tuple[str, str]) -> CondaPackage:
    return replace(package, md5=digests[0], sha256=digests[1])


def _pip(line: str, number: int, file: str, problems: list[Problem]) -> Iterator[PipPackage]:
    found = _PIP.fullmatch(line)
    if found is None:
        return
    name, url, digest = found[1].partition("[")[0], without_credentials(found[2]), found[3] or found[4] or ""
    package = direct_package(normalize(name), url, digest) if is_distribution(name) and is_url(url) else None
    if package is None:
        problems.append(Problem(message=f"{line[:120]!r} is not `# pip name @ URL`", file=file, line=number))
    else:
        yield package

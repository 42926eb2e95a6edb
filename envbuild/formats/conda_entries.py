"""One conda package as an entry of conda-lock.yml v1, and the facts about it that an entry has no key for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from envbuild.core.lock import CondaPackage, LockedPython
from envbuild.formats import checks
from envbuild.formats.canonical import depends_key
from envbuild.formats.fields import Table

_SUBDIR = re.compile(r"[a-z0-9]+-[a-z0-9]+|noarch")
_EXTENSION = re.compile(r"\.(?:conda|tar\.bz2|tar\.zst)$")
_NAME = re.compile(r"([^\s\[<>=!~,]+)\s*(.*)")
_SEPARATE = ("subdir", "channel", "build", "build_number", "noarch", "depends", "constrains", "license", "size")


def place(url: str) -> tuple[str, str, str]:
    """Return the channel's URL, the subdir (empty where the URL has none) and the file name that `url` is made of."""
    base, _, name = url.partition("#")[0].rpartition("/")
    channel, _, subdir = base.rpartition("/")
    return (channel, subdir, name) if _SUBDIR.fullmatch(subdir) else (base, "", name)


def file_parts(name: str) -> tuple[str, str, str]:
    """Return name, version and build of a conda archive's file name; empty texts where it has no such parts."""
    parts = _EXTENSION.sub("", name).rsplit("-", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else ("", "", "")


def channel_of(url: str, channels: tuple[str, ...]) -> str:
    """Return the one of `channels` (names or URLs) that the channel URL `url` belongs to, else `url` itself."""
    trimmed = url.rstrip("/")
    for channel in channels:
        bare = channel.rstrip("/")
        if trimmed == bare or (":" not in bare and trimmed.endswith("/" + bare)):
            return channel
    return url


def build_number(build: str) -> int:
    """Return the number that a build text ends in by custom (`py311h64a7726_1`), else 0."""
    last = build.rsplit("_", 1)[-1]
    return int(last) if last.isascii() and last.isdigit() and len(last) < 10 else 0


def noarch_kind(subdir: str, depends: tuple[str, ...]) -> str:
    """Return what `noarch` most likely is, judged by subdir and dependencies."""
    if subdir != "noarch":
        return ""
    return "python" if any(depends_key(one)[0] == "python" for one in depends) else "generic"


def from_url(
    *, name: str, version: str, platform: str, url: str, depends: tuple[str, ...], channels: tuple[str, ...]
) -> CondaPackage:
    """Return the package as far as its URL and dependencies tell."""
    base, subdir, filename = place(url)
    stem = _EXTENSION.sub("", filename)
    known = f"{name}-{version}-"
    build = stem[len(known) :] if stem.startswith(known) else file_parts(filename)[2]
    subdir = subdir or platform
    return CondaPackage(
        name=name,
        version=version,
        build=build,
        platform=platform,
        subdir=subdir,
        channel=channel_of(base, channels),
        url=url,
        build_number=build_number(build),
        depends=depends,
        noarch=noarch_kind(subdir, depends),
    )


def dependency_map(depends: tuple[str, ...]) -> dict[str, str]:
    """Return the dependencies by name; of two on one name, the first."""
    found: dict[str, str] = {}
    for spec in depends:
        name, rest = split_spec(spec)
        found.setdefault(name, rest)
    return found


def split_spec(spec: str) -> tuple[str, str]:
    """Return the name of a MatchSpec text, and what it asks of version and build."""
    match = _NAME.fullmatch(spec)
    return (match[1], match[2]) if match else (spec, "")


def specs(dependencies: Mapping[str, str]) -> tuple[str, ...]:
    """Return the MatchSpec texts that `dependency_map` came from, sorted."""
    return tuple(sorted((f"{name} {rest}".rstrip() for name, rest in dependencies.items()), key=depends_key))


def separate_facts(package: CondaPackage, channels: tuple[str, ...]) -> dict[str, object]:
    """Return what is known of `package` beyond its entry's keys and what follows from them, by repodata's names."""
    guess = _guess(package, channels)
    return {key: one for key in _SEPARATE if (one := getattr(package, key)) != getattr(guess, key)}


def _guess(package: CondaPackage, channels: tuple[str, ...]) -> CondaPackage:
    return from_url(
        name=package.name,
        version=package.version,
        platform=package.platform,
        url=package.url,
        depends=specs(dependency_map(package.depends)),
        channels=channels,
    )


def read_depends(entry: Table) -> tuple[str, ...]:
    """Return the entry's dependencies as MatchSpec texts; older files hold them as a list of such."""
    if isinstance(entry.data.get("dependencies"), list):
        return tuple(sorted(entry.texts("dependencies"), key=depends_key))
    return specs({name: "" if rest == "*" else rest for name, rest in entry.pairs("dependencies")})


def read_conda(entry: Table, facts: Table, channels: tuple[str, ...]) -> CondaPackage:
    """Return the package of one entry with `manager: conda`, with the `facts` that stand beside it."""
    digests = entry.table("hash")
    guess = from_url(
        name=checks.conda_name(entry),
        version=checks.conda_version(entry),
        platform=checks.platform(entry),
        url=checks.conda_url(entry),
        depends=read_depends(entry),
        channels=channels,
    )
    build = entry.text("build")
    package = replace(
        guess,
        md5=checks.digest(digests, "md5"),
        sha256=checks.digest(digests, "sha256"),
        build=build or guess.build,
        build_number=build_number(build) if build else guess.build_number,
    )
    return _with_facts(package, facts) if facts.data else package


def _with_facts(package: CondaPackage, facts: Table) -> CondaPackage:
    number = facts.number("build_number")
    return replace(
        package,
        subdir=checks.subdir(facts) or package.subdir,
        channel=facts.text("channel") or package.channel,
        build=facts.text("build") or package.build,
        build_number=package.build_number if number is None else number,
        noarch=facts.text("noarch") if facts.has("noarch") else package.noarch,
        depends=facts.texts("depends") or package.depends,
        constrains=facts.texts("constrains"),
        license=facts.text("license"),
        size=facts.number("size"),
    )


def python_of(conda: tuple[CondaPackage, ...]) -> LockedPython | None:
    """Return the Python that is among `conda`'s packages, or None."""
    version = next((one.version for one in conda if one.name == "python" and one.version.count(".") > 0), "")
    return LockedPython(version=version, provider="conda") if version else None

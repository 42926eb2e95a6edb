"""What uv answers: its `pylock.toml` for the files, its annotated requirements for the graph, both as our packages."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from envbuild.core.lock import PipFile, PipPackage, Vcs
from envbuild.core.names import normalize
from envbuild.core.platforms import Platform
from envbuild.solve.distributions import for_interpreter, only_hashes, relative, within
from envbuild.solve.indexes import IndexAccess
from envbuild.solve.markers import simplified
from envbuild.solve.requirements import Asked

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


LOG = "DEBUG "
LOG_FILTER = "uv_resolver::resolver=debug"
"""What `RUST_LOG` is set to, so that uv says which package needs which: `Adding transitive dependency for a==1: b>=2`."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_NEEDS = re.compile(
    rf"^{LOG}.*Adding transitive dependency for ({_NAME})(?:\[[^\]]*\])?(?:\{{[^}}]*\}})?==(\S+?): ({_NAME})",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Annotations:
    """By normalised name: the index that has it, and the names that it needs."""

    indexes: Mapping[str, str] = field(default_factory=dict)
    dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the answer is for: a Python, platforms (all that we know where none is given), and the folder that paths start at.

    `single` says that it is for one platform of several that are asked one by one.
    """

    python: tuple[int, int]
    platforms: tuple[Platform, ...]
    single: bool
    folder: Path


def read_pylock(path: Path) -> list[dict[str, Any]]:
    """Return the packages of a `pylock.toml` that uv wrote (PEP 751)."""
    packages: list[dict[str, Any]] = tomllib.loads(path.read_text())["packages"] if path.is_file() else []
    return packages


def write_previous(path: Path, packages: Iterable[PipPackage], platform: Platform | None) -> None:
    """Write `packages` as the `pylock.toml` from which uv takes the versions to keep."""
    lines = ['lock-version = "1.0"', 'created-by = "envbuild"']
    for one in packages:
        if platform is None or not one.platforms or platform.subdir in one.platforms:
            lines += _preference(one)
    path.write_text("\n".join([*lines, ""]))


def _preference(package: PipPackage) -> list[str]:
    if package.vcs is not None:
        known = {
            "type": package.vcs.type,
            "url": package.vcs.url,
            "commit-id": package.vcs.commit,
            "requested-revision": package.vcs.requested_revision,
        }
        source = f"vcs = {{ {', '.join(f'{name} = {json.dumps(text)}' for name, text in known.items() if text)} }}"
    elif package.archive is not None or not package.version:
        return []  # the requirement itself says which one
    else:
        source = "wheels = []"
    return ["[[packages]]", f"name = {json.dumps(package.name)}", f"version = {json.dumps(package.version)}", source]


def parse_annotations(text: str) -> Annotations:
    """Return what the comments of uv's requirements text say: `# via NAME` and `# from INDEX`."""
    indexes: dict[str, str] = {}
    needs: dict[str, set[str]] = {}
    name = ""
    for line in text.splitlines():
        words = line.replace("#", " ").split()
        if not line.startswith(" "):
            name = _name(line)
        elif words[:1] == ["from"]:
            indexes[name] = words[1]
        else:
            parent = [word for word in words if word != "via"]
            if len(parent) == 1:  # two words are `-r FILE` and `-c FILE`
                needs.setdefault(_name(parent[0]), set()).add(name)
    return Annotations(indexes, {parent: tuple(sorted(names)) for parent, names in needs.items()})


def parse_log(log: str, raw: Sequence[Mapping[str, Any]], index: str) -> Annotations | None:
    """Return what uv's log (`LOG_FILTER`) says of the packages `raw`, all of them from `index`; None where it says nothing."""
    chosen = {(normalize(one["name"]), str(one.get("version", ""))) for one in raw}
    needs: dict[str, set[str]] = {}
    for match in _NEEDS.finditer(log):
        if (parent := normalize(match[1]), match[2]) in chosen:
            needs.setdefault(parent, set()).add(normalize(match[3]))
    if not needs and len(raw) > 1 and _NEEDS.search(log) is None:
        return None
    indexes = {name: index for name, _ in chosen}
    return Annotations(indexes, {parent: tuple(sorted(names)) for parent, names in needs.items()})


def without_log(text: str) -> str:
    """Return what uv says in the end, without its log before it (whose warnings may have several lines)."""
    lines = text.splitlines()
    start = next((at for at, line in enumerate(lines) if line.startswith(("error:", "  \u00d7", "\u00d7"))), 0)
    return "\n".join(line for line in lines[start:] if not line.startswith(LOG))


def _name(line: str) -> str:
    return normalize(line.partition("==")[0].partition(" @ ")[0].partition("[")[0].strip())


def merge(
    raw: Sequence[Mapping[str, Any]], annotations: Annotations, asked: Asked, access: IndexAccess, target: Target
) -> tuple[PipPackage, ...]:
    """Return uv's packages as ours: those of this Python (and platform) only, and no secret or local path in any URL.

    Raises:
        IntegrityError: no file of a package has a hash that the definition accepts for it.
    """
    reader = _Reader(annotations=annotations, asked=asked, access=access, target=target)
    packages: list[PipPackage] = []
    for one in raw:
        marker = simplified(one.get("marker", ""), target.python, target.platforms)
        if marker is not None:
            packages.append(reader.package(one, marker))
    return within(packages)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Turns one of uv's packages into ours."""

    annotations: Annotations
    asked: Asked
    access: IndexAccess
    target: Target

    def package(self, raw: Mapping[str, Any], marker: str) -> PipPackage:
        name = normalize(raw["name"])
        wheels = [self._file(one) for one in raw.get("wheels", ())]
        package = PipPackage(
            name=name,
            version=str(raw.get("version", "")),
            marker=marker,
            requires_python=str(raw.get("requires-python", "")),
            index=self.access.public(self.annotations.indexes.get(name, "")),
            dependencies=self.annotations.dependencies.get(name, ()),
            wheels=for_interpreter(wheels, self.target.python),
            sdist=self._file(raw["sdist"]) if "sdist" in raw else None,
            archive=self._file(raw["archive"]) if "archive" in raw else None,
            vcs=self._vcs(raw["vcs"]) if "vcs" in raw else None,
            platforms=tuple(one.subdir for one in self.target.platforms) if self.target.single else (),
        )
        return only_hashes(package, self.asked.hashes.get(name, frozenset()))

    def _file(self, raw: Mapping[str, Any]) -> PipFile:
        url, path = str(raw.get("url", "")), str(raw.get("path", ""))
        if url.startswith("file:"):
            url, path = "", unquote(urlsplit(url).path)
        time = raw.get("upload-time")
        return PipFile(
            filename=str(raw.get("name") or unquote(urlsplit(url).path if url else path).rsplit("/", 1)[-1]),
            url=self.access.public(url),
            path=relative(path, self.target.folder) if path else "",
            size=raw.get("size"),
            hashes=tuple(sorted(raw.get("hashes", {}).items())),
            upload_time=time.isoformat().replace("+00:00", "Z") if isinstance(time, datetime) else "",
        )

    def _vcs(self, raw: Mapping[str, Any]) -> Vcs:
        url = str(raw.get("url") or raw.get("path"))
        return Vcs(
            type=raw["type"],
            url=self.access.public(url) or url,
            commit=raw["commit-id"],
            requested_revision=raw.get("requested-revision", ""),
            subdirectory=raw.get("subdirectory", ""),
        )

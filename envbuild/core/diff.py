"""What moved between two locks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from envbuild.core.errors import PlanError
from envbuild.core.keys import canonical, sha256
from envbuild.core.lock import CondaPackage, Lock, PipPackage
from envbuild.core.selection import applicable, select

Manager = Literal["conda", "pip", "tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One package as a lock pins it. `size` is that of the archive in bytes; `files` stands for all its hashes.

    Where one change covers several platforms, `build` is empty if they differ in it, and `size` is the largest.
    """

    version: str
    build: str = ""
    license: str = ""
    size: int | None = None
    channel: str = ""
    files: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One package that moved. `old` is None where it was added, `new` where it was removed.

    `platforms` is empty where it moved on all platforms of both locks.
    """

    name: str
    manager: Manager
    old: Pin | None
    new: Pin | None
    platforms: tuple[str, ...] = ()

    @property
    def kind(self) -> Literal["added", "removed", "changed"]:
        """What happened to it."""
        return "added" if self.old is None else "removed" if self.new is None else "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactChange:
    """Something else of the lock that changed: `base`, `python`, `channels`, …; empty texts where it was not set."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockDiff:
    """All that moved, packages by manager and name. False where nothing did."""

    changes: tuple[Change, ...] = ()
    facts: tuple[FactChange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes or self.facts)

    @property
    def added(self) -> tuple[Change, ...]:
        """The packages that only the new lock has."""
        return tuple(one for one in self.changes if one.kind == "added")

    @property
    def removed(self) -> tuple[Change, ...]:
        """The packages that only the old lock has."""
        return tuple(one for one in self.changes if one.kind == "removed")

    @property
    def changed(self) -> tuple[Change, ...]:
        """The packages that both have, not the same."""
        return tuple(one for one in self.changes if one.kind == "changed")


_Key = tuple[Manager, str]
_Moves = dict[_Key, list[tuple[str, Pin | None, Pin | None]]]


def diff_locks(old: Lock, new: Lock) -> LockDiff:
    """Return what moved from `old` to `new`; equal moves on several platforms are one change."""
    platforms = tuple(dict.fromkeys((*old.platforms, *new.platforms)))
    moves: _Moves = {}
    for platform in platforms:
        before, after = _pins(old, platform), _pins(new, platform)
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                moves.setdefault(key, []).append((platform, before.get(key), after.get(key)))
    changes = [one for key in sorted(moves) for one in _folded(key, moves[key], platforms)]
    return LockDiff(changes=(*changes, *_tools(old, new)), facts=tuple(_facts(old, new)))


def _pins(lock: Lock, platform: str) -> dict[_Key, Pin]:
    if platform not in lock.platforms:
        return {}
    sizes = _sizes(lock, platform)
    pins: dict[_Key, Pin] = {("conda", one.name): _conda(one) for one in lock.conda if one.platform == platform}
    for package in applicable(lock, platform):
        pins["pip", package.name] = _pip(package, sizes.get(package.name))
    return pins


def _sizes(lock: Lock, platform: str) -> dict[str, int | None]:
    if not lock.pip:
        return {}
    try:
        return {one.package.name: one.file.size if one.file else None for one in select(lock, platform).pip}
    except (PlanError, KeyError):
        return {}  # the sizes of files that nobody can install do not matter


def _conda(one: CondaPackage) -> Pin:
    return Pin(
        version=one.version,
        build=one.build,
        license=one.license,
        size=one.size,
        channel=one.channel,
        files=one.sha256 or one.md5,
    )


def _pip(package: PipPackage, size: int | None) -> Pin:
    places = [[one.filename, *map(list, one.hashes)] for one in package.files]
    vcs = [package.vcs.url, package.vcs.commit, package.vcs.subdirectory] if package.vcs else []
    version = package.version or (package.vcs.commit[:12] if package.vcs else package.directory)
    return Pin(
        version=version,
        size=size,
        channel=package.index,
        files=sha256(canonical([sorted(places, key=str), vcs, package.directory])),
    )


def _folded(key: _Key, moves: list[tuple[str, Pin | None, Pin | None]], platforms: tuple[str, ...]) -> Iterator[Change]:
    groups: dict[object, list[tuple[str, Pin | None, Pin | None]]] = {}
    for move in moves:
        groups.setdefault((_fold_key(move[1]), _fold_key(move[2])), []).append(move)
    for group in groups.values():
        names = tuple(platform for platform, _, _ in group)
        yield Change(
            manager=key[0],
            name=key[1],
            old=_merged([old for _, old, _ in group]),
            new=_merged([new for _, _, new in group]),
            platforms=() if names == platforms else names,
        )


def _fold_key(pin: Pin | None) -> object:
    return pin and (pin.version, pin.license)


def _merged(pins: list[Pin | None]) -> Pin | None:
    known = [one for one in pins if one is not None]
    if not known:
        return None
    sizes = [one.size for one in known if one.size is not None]
    return Pin(
        version=known[0].version,
        build=_common(one.build for one in known),
        license=known[0].license,
        size=max(sizes, default=None),
        channel=_common(one.channel for one in known),
        files=_common(one.files for one in known),
    )


def _common(texts: Iterable[str]) -> str:
    found = set(texts)
    return found.pop() if len(found) == 1 else ""


def _tools(old: Lock, new: Lock) -> Iterator[Change]:
    before = {one.name: _pip(one, None) for one in old.tools}
    after = {one.name: _pip(one, None) for one in new.tools}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Change(name=name, manager="tool", old=before.get(name), new=after.get(name))


def _facts(old: Lock, new: Lock) -> Iterator[FactChange]:
    before, after = _fact_texts(old), _fact_texts(new)
    for name, text in before.items():
        if text != after[name]:
            yield FactChange(name=name, old=text, new=after[name])


def _fact_texts(lock: Lock) -> dict[str, str]:
    python = lock.python
    return {
        "base": lock.base.pinned,
        "distribution": lock.base.distribution,
        "python": f"{python.version} from {python.provider}" if python else "",
        "platforms": ", ".join(lock.platforms),
        "channels": ", ".join(lock.channels),
        "index": ", ".join(one for one in (lock.index_url, *lock.extra_index_urls) if one),
        "virtual packages": ", ".join(lock.virtual_packages),
        "apt": ", ".join(lock.apt.packages),
        "apt snapshot": lock.apt.snapshot,
        "exclude newer": lock.exclude_newer,
        "solver": lock.solver,
        "pip resolver": lock.pip_resolver,
    }

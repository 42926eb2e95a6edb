"""What can be made again, and what nothing refers to: found with its size, and removed only when told."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from envbuild import programs
from envbuild.core.errors import EnvbuildError, UsageError, WorkspaceError
from envbuild.files import cache_root
from envbuild.workspace.workspace import Workspace

CACHES = {
    "attestations": "which locks' attestations were verified",
    "bases": "what base images hold",
    "builds": "logs of failed builds",
    "bytecode": "compiled modules",
    "code": "wheels of your own source code",
    "conda-packages": "conda packages, unpacked",
    "corpus": "files for benchmarks",
    "downloads": "packages and layers, by hash",
    "images": "images and layers that the oci engine assembled",
    "pip": "pip's own cache",
    "pip-tools": "environments that pip-tools runs in",
    "prefixes": "environments of the local engine",
    "repodata": "channels' lists of packages",
    "stubs": "metadata of what conda provides",
    "tools": "installers' locks",
    "uv": "uv's own cache",
}
"""The folders of the cache, and what each holds. Nothing else in the cache's folder is ever touched."""

KINDS = (*CACHES, "workspace", "engine-images")
_YOUNG = 3600
"""Seconds in which a file that nothing refers to may be half of something that is being registered."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that can go: a path, or an image of `engine` by its name. `size` is in bytes, `age` in days since its last use."""

    kind: str
    name: str
    size: int
    age: float
    path: Path | None = None
    engine: str = ""


def find_items(kinds: Sequence[str] = (), *, unused_days: float = 0, folder: Path | None = None) -> Iterator[Item]:
    """Yield what can go, of `kinds` (all where none is named), if unused for `unused_days`.

    Of the workspace of `folder` and of engines only what nothing refers to; of caches everything, since it can be made again.
    """
    for kind in kinds or KINDS:
        for item in _items(kind, folder or Path()):
            if item.age >= unused_days:
                yield item


def remove(item: Item) -> bool:
    """Remove `item`; tell whether it is gone. What another process holds a lock on stays."""
    if item.path is None:
        return programs.run([item.engine, "image", "rm", item.name], check=False).code == 0
    with _unlocked(item.path) as free:
        if not free:
            return False
        if item.path.is_dir() and not item.path.is_symlink():
            shutil.rmtree(item.path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                item.path.unlink()
    return not item.path.exists()


@contextlib.contextmanager
def _unlocked(path: Path) -> Iterator[bool]:
    """Yield whether nobody holds the lock file of `path`; while the block runs, we do. It goes last."""
    found = next((one for one in _lock_files(path) if one.is_file()), None)
    if found is None:
        yield True
        return
    handle = os.open(found, os.O_RDWR)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
        found.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _lock_files(path: Path) -> tuple[Path, ...]:
    whole = path.name.removesuffix(".part")
    return (path.with_name(f"{whole}.lock"), path.with_name(f".{whole}.lock"))


def _items(kind: str, folder: Path) -> Iterator[Item]:
    if kind == "workspace":
        yield from _unreferenced(folder)
    elif kind == "engine-images":
        yield from _engine_images(folder)
    elif kind in CACHES:
        yield from _cached(kind)
    else:
        raise UsageError(f"{kind!r} is not one of {', '.join(KINDS)}")


def _cached(kind: str) -> Iterator[Item]:
    root = cache_root() / kind
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if not _is_lock_of_another(path):
            size, used = measure(path)
            yield Item(kind=kind, name=path.name, size=size, age=_days(used), path=path)


def _is_lock_of_another(path: Path) -> bool:
    """Tell whether `path` is only the lock file of a neighbour, with which it goes."""
    if not path.name.endswith(".lock"):
        return False
    whole = path.name.removesuffix(".lock")
    neighbours = {whole, f"{whole}.part", whole.removeprefix(".")} - {""}
    return any(path.with_name(one).exists() for one in neighbours)


def measure(path: Path) -> tuple[int, float]:
    """Return the bytes of `path` and all below it (a file with two names counts once), and when any of it was last used."""
    size, used = 0, 0.0
    seen: set[tuple[int, int]] = set()
    for one in _below(path):
        with contextlib.suppress(OSError):
            status = one.lstat()
            used = max(used, status.st_mtime, status.st_atime if one.is_file() else 0)
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                size += status.st_size if not one.is_dir() else 0
    return size, used


def _below(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for place, folders, names in os.walk(path):
            yield from (Path(place, name) for name in (*folders, *names))


def _days(moment: float) -> float:
    return max(0.0, (time.time() - moment) / 86400)


def _unreferenced(folder: Path) -> Iterator[Item]:
    try:
        workspace = Workspace.find(folder)
    except WorkspaceError:
        return
    kept = workspace.folder / "files"
    if not kept.is_dir():
        return
    referred = _referred(workspace)
    for path in sorted(kept.rglob("*")):
        size, used = measure(path) if path.is_file() else (0, time.time())
        young = time.time() - used < _YOUNG
        if path.is_file() and not young and (path.name.startswith(".incoming.") or path.name not in referred):
            yield Item(kind="workspace", name=path.name, size=size, age=_days(used), path=path)


def _referred(workspace: Workspace) -> set[str]:
    """Return every digest that a registered thing names, wherever in its document."""
    return set(_DIGEST.findall(_documents(workspace)))


def _documents(workspace: Workspace) -> str:
    """Return all that the catalogue holds, as one text: a thing that is registered in a way not known here is safe too."""
    import sqlite3

    path = workspace.folder / "catalogue.sqlite"
    if not path.is_file():
        return ""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
        rows = [*connection.execute("SELECT document FROM asset"), *connection.execute("SELECT document FROM record")]
    return "\n".join(str(row[0]) for row in rows)


def _engine_images(folder: Path) -> Iterator[Item]:
    named = _documents_below(folder)
    for engine in ("docker", "podman"):
        if programs.find(engine) is None:
            continue
        listed = programs.run(
            [engine, "image", "ls", "--filter", "reference=envbuild/envbuild_*", "--format", "{{json .}}"],
            check=False,
            timeout=20,
        )
        for line in listed.stdout.splitlines() if listed.code == 0 else ():
            name, size, age = _listed(line)
            if name and not any(key in name for key in named):
                yield Item(kind="engine-images", name=name, size=size, age=age, engine=engine)


def _listed(line: str) -> tuple[str, int, float]:
    """Return name, size and age in days of one image as docker or podman lists it; no name for a line of another kind."""
    try:
        found = json.loads(line)
        name = str(found.get("Repository") or found.get("repository"))
        tag = str(found.get("Tag") or found.get("tag") or "latest")
    except (ValueError, AttributeError):
        return "", 0, 0.0
    return f"{name}:{tag}", _bytes(str(found.get("Size") or found.get("size") or "0")), 0.0


def _bytes(text: str) -> int:
    found = re.fullmatch(r"([\d.]+)\s*([kKMGT]?)i?B?", text.strip())
    return int(float(found[1]) * 1000 ** " kMGT".index(found[2].replace("K", "k") or " ")) if found else 0


def _documents_below(folder: Path) -> set[str]:
    """Return the keys of images that a lock below `folder` is for, or that its workspace has registered."""
    from envbuild.api import plan
    from envbuild.history import last_layers
    from envbuild.hooks.targets import files_below, find_targets

    keys: set[str] = set()
    for target in find_targets(files_below(folder)).targets:
        with contextlib.suppress(EnvbuildError):
            # nobody's code is built to clean up: the image that has some is the one of the last build
            made = plan(
                target.definition, environment=target.environment, locked=True, allow_unpinned_base=True, code=False
            )
            keys.add(made.image_key[:32])
        keys |= {str(one["key"])[:32] for one in last_layers(target.definition, target.environment)[-1:]}
    with contextlib.suppress(WorkspaceError):
        keys |= set(re.findall(r"envbuild_([0-9a-f]{32})", _documents(Workspace.find(folder))))
    return keys

"""Locks as a git revision has them, beside those of the working tree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from envbuild import programs
from envbuild.core.errors import LockError
from envbuild.core.lock import Lock

LOCKS = ("*conda-lock*.yml", "*pylock*.toml")
"""git's patterns of the names that envbuild gives to locks."""

_LOCK = re.compile(r"(?:.*/)?(?:conda-lock(?:\..+)?\.yml|pylock(?:\.[^.]+)?\.toml)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One lock that differs from the revision: `old` is None where it is new, `new` where it is gone."""

    path: Path
    old: Lock | None
    new: Lock | None


def text_at(revision: str, path: Path) -> str | None:
    """Return the text that `path` has at `revision`; None where that has no such file, or there is no git repository."""
    if revision.startswith("-") or programs.find("git") is None:
        return None
    shown = programs.run(["git", "show", f"{revision}:./{path.name}"], cwd=path.parent.resolve(), check=False)
    return shown.stdout if shown.code == 0 else None


def moved_since(revision: str, paths: Sequence[Path] = (), folder: Path = Path()) -> Iterator[Moved]:
    """Yield the locks below `folder` (only `paths` where any is named) that differ from `revision`, sorted by path.

    Raises:
        LockError: there is no git repository or no such revision, or a lock is not understood.
    """
    from envbuild.formats.detect import read_lock
    from envbuild.lockfile import load_lock

    wanted = [str(path) for path in paths] or list(LOCKS)
    for name in _changed(revision, wanted, folder):
        path = folder / name
        before = text_at(revision, path) if path.parent.is_dir() else _gone(revision, name, folder)
        old = read_lock(before, f"{name} at {revision}") if before is not None else None
        new = load_lock(path) if path.is_file() else None
        if old != new:
            yield Moved(path=path, old=old, new=new)


def _changed(revision: str, wanted: Sequence[str], folder: Path) -> list[str]:
    if programs.find("git") is None:
        raise LockError("git is not installed", hint="name two files: envbuild diff OLD NEW")
    if revision.startswith("-"):
        raise LockError(f"{revision!r} is no git revision")
    listed = ["git", "diff", "--name-only", "--no-renames", "--relative", "-z", revision, "--", *wanted]
    done = programs.run(listed, cwd=folder, check=False)
    if done.code:
        reason = done.stderr.strip().splitlines()[0] if done.stderr.strip() else "git failed"
        raise LockError(f"{revision} cannot be compared with: {reason}")
    others = programs.run(
        ["git", "ls-files", "--others", "--exclude-standard", "-z", "--", *wanted], cwd=folder, check=False
    )
    names = {one for one in (*done.stdout.split("\0"), *others.stdout.split("\0")) if one}
    return sorted(one for one in names if _LOCK.fullmatch(one) or one in wanted)


def _gone(revision: str, name: str, folder: Path) -> str | None:
    shown = programs.run(["git", "show", f"{revision}:./{name}"], cwd=folder, check=False)
    return shown.stdout if shown.code == 0 else None

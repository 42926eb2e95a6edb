"""Which files of a folder stay out of snapshots and hashes: what `.amlignore` says, or `.gitignore` where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

FILES = (".amlignore", ".gitignore")
"""The first that is there counts, alone; only at the top of the folder, as Azure's clients have it."""


def ignored_by(folder: Path) -> GitIgnoreSpec:
    """Return the patterns of `folder`; `match_file` takes a path below it, with `/`."""
    from pathspec import GitIgnoreSpec

    found = next((folder / name for name in FILES if (folder / name).is_file()), None)
    text = found.read_text(encoding="utf-8", errors="replace") if found is not None else ""
    return GitIgnoreSpec.from_lines(text.splitlines())

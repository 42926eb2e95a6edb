"""Where the lock of a definition lies, and whether its sources are byte for byte those that were locked.

`lock --check` runs through here alone where nothing changed, so this module imports next to nothing.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.core.errors import LockError

if TYPE_CHECKING:
    from envbuild.core.lock import Lock

DEFAULT_FILES = (
    "environment.yml",
    "environment.yaml",
    "pyproject.toml",
    "requirements.in",
    "requirements.txt",
    "conda.yaml",
)
"""What a definition is called where none is named, in the order in which they are looked for."""

LARGEST = 64 * 1024**2
"""Bytes; a lock of thousands of packages has a few million."""

_PLAIN = re.compile(
    r"(?:environment|conda|conda_dependencies|requirements|pyproject|pixi|MLmodel|MLproject|Dockerfile|azureml_environment)"
)
_NAMED = re.compile(r"(?:environment|conda|requirements)[._-](?P<name>.+)")


def default_definition(folder: Path) -> Path | None:
    """Return the definition in `folder` that is meant where none is named, or None."""
    return next((folder / name for name in DEFAULT_FILES if (folder / name).is_file()), None)


def lock_name(definition: Path, environment: str = "") -> str:
    """Return the `<name>` in the lock's file name; empty for the one definition of a folder that needs none.

    `environment.gpu.yml`, `requirements-gpu.txt` and `gpu.yml` are all `gpu`; `environment` names one of a `pyproject.toml`.
    """
    if environment:
        name = environment
    elif definition.is_dir():
        return ""
    else:
        stem = definition.name if definition.suffix == "" else definition.name[: -len(definition.suffix)]
        if _PLAIN.fullmatch(stem):
            return ""
        found = _NAMED.fullmatch(stem)
        name = found["name"] if found else stem
    # PEP 751 allows no dot in the name of a pylock file
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")


def lock_folder(definition: Path) -> Path:
    """Return the folder in which the lock of `definition` lies."""
    return definition if definition.is_dir() else definition.parent


def lock_path(definition: Path, lock: Lock, environment: str = "") -> Path:
    """Return where `lock` is written: `conda-lock[.<name>].yml` or `pylock[.<name>].toml` beside the definition.

    Where that file is another definition's lock (`environment.yml` and `requirements.txt` in one folder), the whole name of the
    definition is taken: `pylock.requirements.toml`.
    """
    kind = "conda-lock{}.yml" if lock.conda else "pylock{}.toml"
    paths = [lock_folder(definition) / kind.format(dotted) for dotted in _dotted_names(definition, environment)]
    return next((path for path in paths if not _is_of_another(path, definition)), paths[-1])


def find_lock(definition: Path, environment: str = "") -> Path | None:
    """Return the lock file of `definition` that exists, or None."""
    for dotted in _dotted_names(definition, environment):
        for file in (f"conda-lock{dotted}.yml", f"pylock{dotted}.toml"):
            path = lock_folder(definition) / file
            if path.is_file() and not _is_of_another(path, definition):
                return path
    return None


def _dotted_names(definition: Path, environment: str) -> list[str]:
    """Return what stands between `pylock` and `.toml`, the best first."""
    name = lock_name(definition, environment)
    whole = "" if environment or definition.is_dir() else re.sub(r"[^A-Za-z0-9_-]+", "-", definition.stem).strip("-")
    return [f".{one}" if one else "" for one in dict.fromkeys([name, whole or name])]


def _is_of_another(path: Path, definition: Path) -> bool:
    """Tell whether the lock at `path` says that it was made from a neighbour of `definition` that has the same lock name."""
    if not path.is_file() or definition.is_dir():
        return False
    from envbuild.formats.header import read_header

    try:
        sources = [name for name, _ in read_header(read_text(path)).sources]
    except LockError:
        return False  # whoever reads it says what is wrong
    if not sources or definition.name in sources:
        return False
    return any(lock_name(Path(name)) == lock_name(definition) for name in sources if "/" not in name)


def read_text(path: Path) -> str:
    """Return the text of a lock file.

    Raises:
        LockError: it cannot be read, is no file, is larger than any lock, or is not UTF-8.
    """
    try:
        if not _is_readable(path):
            raise LockError(f"{path} is no file, or has more than {LARGEST // 1024**2} MiB, which no lock file has")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise LockError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise LockError(f"{path} is not UTF-8 text (byte {error.start})") from error


def load_lock(path: Path) -> Lock:
    """Return the lock in `path`, of any format that envbuild reads.

    Raises:
        LockError: it cannot be read or understood.
    """
    from envbuild.formats.detect import read_lock

    return read_lock(read_text(path), str(path))


def store_lock(path: Path, lock: Lock) -> bool:
    """Write `lock` to `path` in the format of its name; tell whether anything changed. The old file stays on any failure."""
    from envbuild.files import write_atomic
    from envbuild.formats.detect import write_lock

    text = write_lock(lock, path.name)
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    write_atomic(path, text)
    return True


def sources_unchanged(path: Path, definition: Path) -> bool:
    """Tell whether every file that the lock at `path` was made from, `definition` among them, still has the same bytes.

    True proves the lock fresh, without parsing either; False proves nothing.
    """
    from envbuild.formats.header import read_header

    header = read_header(read_text(path))
    folder = lock_folder(definition)
    recorded = dict(header.sources)
    if not header.definition_hash or not recorded:
        return False
    if definition.is_file() and definition.name not in recorded:
        return False
    return all(_digest(folder / name) == digest for name, digest in recorded.items())


def _digest(path: Path) -> str:
    try:
        # the name stands in the lock, which may come from anybody: a device would never end
        return hashlib.sha256(path.read_bytes()).hexdigest() if _is_readable(path) else ""
    except (OSError, ValueError):
        return ""


def _is_readable(path: Path) -> bool:
    return not path.exists() or (path.is_file() and path.stat().st_size <= LARGEST)

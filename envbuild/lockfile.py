"""The lock files of definitions: where they lie, and how they are read and written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from envbuild import unchanged
from envbuild.core.errors import LockError
from envbuild.unchanged import LARGEST, is_readable

if TYPE_CHECKING:
    from envbuild.core.lock import Lock


def lock_name(definition: Path, environment: str = "") -> str:
    """Return the `<name>` in the lock's file name: `gpu` for `environment.gpu.yml`, empty for `environment.yml`."""
    return unchanged.lock_name(str(definition), environment)


def lock_folder(definition: Path) -> Path:
    """Return the folder in which the lock of `definition` lies."""
    return Path(unchanged.lock_folder(str(definition)))


def lock_path(definition: Path, lock: Lock, environment: str = "") -> Path:
    """Return where `lock` is written: `conda-lock[.<name>].yml` or `pylock[.<name>].toml` beside the definition.

    Where that file is another definition's lock (`environment.yml` and `requirements.txt` in one folder), the whole name of the
    definition is taken: `pylock.requirements.toml`.
    """
    kind = "conda-lock{}.yml" if lock.conda else "pylock{}.toml"
    names = unchanged.dotted_names(str(definition), environment)
    paths = [lock_folder(definition) / kind.format(dotted) for dotted in names]
    return next(
        (path for path in paths if not unchanged.is_of_another(unchanged.header_of(str(path)), str(definition))),
        paths[-1],
    )


def find_lock(definition: Path, environment: str = "") -> Path | None:
    """Return the lock file of `definition` that exists, or None."""
    found, _ = unchanged.find(str(definition), environment)
    return Path(found) if found else None


def read_text(path: Path) -> str:
    """Return the text of a lock file.

    Raises:
        LockError: it cannot be read, is no file, is larger than any lock, or is not UTF-8.
    """
    try:
        if not is_readable(str(path)):
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

"""Writing files so that nobody ever sees half of one, and keeping two processes apart."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from envbuild.caches import cache_folder
from envbuild.core.errors import FileError

_SUFFIX, _OLD = ".part", "old"
_RANDOM, _LONGEST = 8, 200
"""Letters that `mkdtemp` chooses, and letters of the target's name: a file system has at most 255."""


def check_writable(folder: Path) -> None:
    """Refuse long work whose result could not be written into `folder` in the end.

    Raises:
        FileError: it cannot be written, or could not be made.
    """
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        reason = errno.ENOTDIR
    elif os.access(there, os.W_OK | os.X_OK):
        return
    else:
        reason = errno.EROFS if os.statvfs(there).f_flag & os.ST_RDONLY else errno.EACCES
    raise FileError(f"the folder {folder} cannot be written: {os.strerror(reason)}")


def write_atomic(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Replace `path` by `content` in one step: a reader sees the old file or the new one.

    Raises:
        FileError: the folder cannot be written; the old file, if any, is untouched.
    """
    try:
        with new_file(path, mode=mode) as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def new_file(path: Path, *, mode: int = 0o644, sweep: bool = True) -> Iterator[BinaryIO]:
    """Yield a file, open for reading and writing, that becomes `path` when the block ends well, and vanishes when it does not.

    It is on the disk before it has its name. `sweep` is as in `beside`.

    Raises:
        OSError: the folder cannot be written; what was at `path` is untouched.
    """
    with beside(path, sweep=sweep) as folder:
        part = folder / "file"
        with part.open("w+b") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        part.replace(path)
    _sync_folder(path.parent)


@contextlib.contextmanager
def new_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder that becomes `path` when the block ends well, and vanishes when it does not.

    Raises:
        FileError: `path` exists and is not empty (unless `overwrite`), or cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            temporary = stack.enter_context(beside(path))
            if path.is_file() or (path.is_dir() and any(path.iterdir()) and not overwrite):
                raise FileError(f"{path} already exists", hint="name another folder, or say --overwrite")
            new = temporary / "new"
            new.mkdir()
            new.chmod(0o755)
        except OSError as error:
            raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
        yield new
        if path.exists():
            path.rename(temporary / _OLD)
        new.rename(path)
        _sync_folder(path.parent)


@contextlib.contextmanager
def beside(path: Path, *, sweep: bool = True) -> Iterator[Path]:
    """Yield an empty folder in the folder of `path`, for nobody else to read, that is gone when the block ends.

    While the block runs this process holds a lock on it. One that a killed process left is so told from one in use: with `sweep` those
    of the same `path` are removed first, and what such a process had put aside is put back.

    Raises:
        OSError: the folder cannot be written.
    """
    import shutil
    import tempfile  # here: what only reads does not wait for it

    path.parent.mkdir(parents=True, exist_ok=True)
    if sweep:
        _sweep(path)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name[:_LONGEST]}.", suffix=_SUFFIX, dir=path.parent))
        if (handle := _locked(folder)) is not None:
            break
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _locked(folder: Path) -> int | None:
    """Return a handle that holds the lock on `folder`; None where another process holds it, or has removed the folder."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), os.stat(folder)):  # noqa: PTH116
            return handle
    os.close(handle)
    return None


def _sweep(path: Path) -> None:
    """Remove what killed processes left beside `path`; a folder that one had put aside to replace it becomes `path` again."""
    import shutil

    start = f".{path.name[:_LONGEST]}."
    left = [one.path for one in os.scandir(path.parent) if one.name.startswith(start) and one.name.endswith(_SUFFIX)]
    for name in left:
        folder = Path(name)
        if len(folder.name) != len(start) + _RANDOM + len(_SUFFIX) or (handle := _locked(folder)) is None:
            continue
        try:
            if (folder / _OLD).exists() and not path.exists():
                (folder / _OLD).rename(path)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold an advisory lock on the file `path` (made when missing); other processes wait.

    The kernel drops it when the process ends, however it ends.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        # `programs.run` hands it on: where this process is killed, the lock lasts until the program that it ran has ended too
        os.set_inheritable(handle, True)
        yield
    finally:
        os.close(handle)


def can_be_path(text: str) -> bool:
    """Tell whether `text` can name a file: no system takes a null character, or a name of more than 255 bytes in a path."""
    return "\0" not in text and all(len(part.encode("utf-8", "replace")) < 256 for part in text.split("/"))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of the file `path`, read in pieces.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cache_root() -> Path:
    """Return the folder for everything that can be made again (`ENVBUILD_CACHE_DIR`, else XDG's)."""
    return Path(cache_folder())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

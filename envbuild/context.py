"""A build context as a value: the Dockerfile and every file that it needs, written as a folder or as one archive."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from envbuild.core.definition import Origin
from envbuild.core.errors import PlanError
from envbuild.core.plan import LayerKind
from envbuild.files import new_folder

DOCKERFILE = "Dockerfile"

EPOCH = 315532800
"""1980-01-01, the earliest time that a ZIP archive can hold."""

_YEARS = 300_000_000
"""Seconds: nine and a half years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFile:
    """One file. `path` is relative, with `/`; its bytes are `content`, or those of the file `source`.

    Where `link` is set, it is a symbolic link to that instead.
    """

    path: str
    content: bytes = field(default=b"", repr=False)
    source: Path | None = None
    mode: int = 0o644
    link: str = ""

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if not parts or self.path.startswith("/") or ".." in parts or "\0" in self.path:
            raise PlanError(f"{self.path!r} is not a path inside a build context")

    def open(self) -> IO[bytes]:
        """Open the file's bytes for reading."""
        return io.BytesIO(self.content) if self.source is None else self.source.open("rb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One instruction of the Dockerfile, as an engine prints it, the kind of layer it makes, and who asked for it."""

    kind: LayerKind
    line: int
    text: str
    origins: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What `docker build` needs. `secrets` are the ids of the BuildKit secrets that the Dockerfile uses when given."""

    dockerfile: str
    files: tuple[ContextFile, ...] = ()
    secrets: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for file in self.all_files():
            # a file or link where a folder is needed would lead what is written there out of the context
            above = {str(parent) for parent in PurePosixPath(file.path).parents} & seen
            if file.path in seen or above:
                raise PlanError(
                    f"the build context would hold {file.path} twice",
                    hint="rename what is called so in the definition's own build context",
                )
            seen.add(file.path)

    def all_files(self) -> Iterator[ContextFile]:
        """Yield the Dockerfile and every file, sorted by path."""
        dockerfile = ContextFile(path=DOCKERFILE, content=self.dockerfile.encode())
        yield from sorted([dockerfile, *self.files], key=lambda one: one.path)


def write_context(context: Context, folder: Path, *, overwrite: bool = False) -> None:
    """Write `context` to `folder` in one step.

    Raises:
        EnvbuildError: `folder` exists and is not empty (unless `overwrite`), or cannot be written.
        PlanError: a file that the context names cannot be read.
    """
    with new_folder(folder, overwrite=overwrite) as temporary:
        for file in context.all_files():
            _write(file, temporary / file.path)
        _settle(temporary)


def _write(file: ContextFile, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.link:
        target.symlink_to(file.link)
        return
    try:
        with file.open() as source, target.open("wb") as output:
            shutil.copyfileobj(source, output)
        with target.open("rb") as written:
            time = stamp(written)
    except OSError as error:
        raise PlanError(f"{file.source or target}: {error.strerror or error}") from error
    target.chmod(file.mode)
    os.utime(target, (time, time))


def stamp(content: IO[bytes]) -> int:
    """Return the time that a file with `content` gets: always the same for the same bytes, and another for others.

    One time for all would be wrong: BuildKit takes a file of equal size and time for unchanged and does not read it again.
    """
    digest = hashlib.sha256()
    while block := content.read(1 << 20):
        digest.update(block)
    return EPOCH + int(digest.hexdigest()[:15], 16) % _YEARS


def _settle(root: Path) -> None:
    """Give folders and links one time, and folders one mode whatever the umask: they go into the image."""
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_symlink():
            os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
        elif path.is_dir():
            path.chmod(0o755)
            os.utime(path, (EPOCH, EPOCH))


def tar_context(context: Context, output: IO[bytes]) -> None:
    """Write `context` to `output` as a tar archive that is the same for the same context: sorted, no owners, `stamp`s.

    Raises:
        PlanError: a file that the context names cannot be read.
    """
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in context.all_files():
            _add(archive, file)


def _add(archive: tarfile.TarFile, file: ContextFile) -> None:
    entry = tarfile.TarInfo(file.path)
    entry.mode, entry.mtime = file.mode, EPOCH
    if file.link:
        entry.type, entry.linkname = tarfile.SYMTYPE, file.link
        archive.addfile(entry)
        return
    try:
        with file.open() as source:
            entry.mtime = stamp(source)
            entry.size = source.seek(0, io.SEEK_END)
            source.seek(0)
            archive.addfile(entry, source)
    except OSError as error:
        raise PlanError(f"{file.source or file.path}: {error.strerror or error}") from error

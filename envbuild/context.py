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
from envbuild.core.errors import IntegrityError, PlanError
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

    Where `link` is set, it is a symbolic link to that instead. Where `sha256` is set, its bytes must have it: a lock names
    files of this machine, and comes from somebody who may not see what else is on it.
    """

    path: str
    content: bytes = field(default=b"", repr=False)
    source: Path | None = None
    mode: int = 0o644
    link: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if not parts or self.path.startswith("/") or ".." in parts or "\0" in self.path:
            raise PlanError(f"{self.path!r} is not a path inside a build context")

    def open(self) -> IO[bytes]:
        """Open the file's bytes for reading.

        Raises:
            PlanError: it is no file; a device or a pipe would never end.
        """
        if self.source is not None and self.source.exists() and not self.source.is_file():
            raise PlanError(f"{self.source} is not a file")
        return io.BytesIO(self.content) if self.source is None else self.source.open("rb")

    def check(self, digest: str) -> None:
        """Hold the SHA-256 of the bytes that were read against the one that is promised.

        Raises:
            IntegrityError: they differ.
        """
        if self.sha256 and digest != self.sha256:
            raise IntegrityError(f"{self.source}: its sha256 is {digest}, promised was {self.sha256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One instruction of the Dockerfile, as an engine prints it, and the kind of layer it makes.

    `origins` are the lines that asked for the layer; `asked` has those of them that asked for one package, with its name.
    """

    kind: LayerKind
    line: int
    text: str
    origins: tuple[Origin, ...] = ()
    asked: tuple[tuple[str, Origin], ...] = ()


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
        IntegrityError: one is not what the lock promises.
    """
    with new_folder(folder, overwrite=overwrite) as temporary:
        fill_folder(context, temporary)


def fill_folder(context: Context, folder: Path) -> None:
    """Write `context` into `folder`, which is empty and which nobody looks at before it is full.

    Raises:
        PlanError: a file that the context names cannot be read.
        IntegrityError: one is not what the lock promises.
    """
    for file in context.all_files():
        _write(file, folder / file.path)
    _settle(folder)


def _write(file: ContextFile, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.link:
        target.symlink_to(file.link)
        return
    try:
        with file.open() as source, target.open("wb") as output:
            shutil.copyfileobj(source, output)
        with target.open("rb") as written:
            digest = _digest(written)
    except OSError as error:
        raise PlanError(f"{file.source or target}: {error.strerror or error}") from error
    file.check(digest)
    target.chmod(file.mode)
    os.utime(target, (stamp(digest), stamp(digest)))


def stamp(digest: str) -> int:
    """Return the time that a file with that SHA-256 gets: always the same for the same bytes, and another for others.

    One time for all would be wrong: BuildKit takes a file of equal size and time for unchanged and does not read it again.
    """
    return EPOCH + int(digest[:15], 16) % _YEARS


def _digest(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := content.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


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
        IntegrityError: one is not what the lock promises.
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
            digest = _digest(source)
            file.check(digest)
            entry.mtime = stamp(digest)
            entry.size = source.seek(0, io.SEEK_END)
            source.seek(0)
            archive.addfile(entry, source)
    except OSError as error:
        raise PlanError(f"{file.source or file.path}: {error.strerror or error}") from error

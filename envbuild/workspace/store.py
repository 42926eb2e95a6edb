"""Content-addressed files: every file once, under the SHA-256 of its bytes; folders as sorted lists of those."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from envbuild.core.errors import IntegrityError, WorkspaceError
from envbuild.core.keys import canonical, sha256
from envbuild.files import new_file, new_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One file of a tree: its path with `/`, relative to the tree; size in bytes; whether it is executable."""

    path: str
    sha256: str
    size: int
    executable: bool = False

    def below(self, folder: Path) -> Path:
        """Return where the file goes below `folder`.

        Raises:
            IntegrityError: its path leads out of the folder; what a damaged or forged catalogue names is never written.
        """
        parts = PurePosixPath(self.path)
        if parts.is_absolute() or ".." in parts.parts or not parts.parts:
            raise IntegrityError(f"the workspace names a file {self.path!r}, which leads out of its folder")
        return folder / parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Files by path, sorted. `digest` covers paths, contents and modes, so equal trees have equal digests."""

    files: tuple[StoredFile, ...]

    @property
    def digest(self) -> str:
        """The SHA-256 over the list."""
        return sha256(canonical([[one.path, one.sha256, one.executable] for one in self.files]))

    @property
    def size(self) -> int:
        """All bytes."""
        return sum(one.size for one in self.files)

    def to_list(self) -> list[list[object]]:
        """Return the tree as plain values."""
        return [[one.path, one.sha256, one.size, one.executable] for one in self.files]

    @staticmethod
    def from_list(rows: Iterable[list[object]]) -> Tree:
        """Return the tree that `to_list` gave."""
        return Tree(
            files=tuple(
                StoredFile(path=str(path), sha256=str(digest), size=int(str(size)), executable=bool(executable))
                for path, digest, size, executable in rows
            )
        )


class Store:
    """The files of one workspace, below `root`. Safe for many processes: a file appears whole or not at all."""

    def __init__(self, root: Path) -> None:
        """Use the folder `root`; it is made with the first file."""
        self._root = root

    def path(self, digest: str) -> Path:
        """Return where the bytes with that digest lie (or would lie)."""
        return self._root / digest[:2] / digest

    def put_bytes(self, data: bytes) -> str:
        """Keep `data` and return its SHA-256."""
        digest = sha256(data)
        target = self.path(digest)
        if not target.is_file():
            with self._incoming() as file:
                file.write(data)
                self._publish(file.name, target, file)
        return digest

    def put_file(self, source: Path) -> StoredFile:
        """Keep a copy of the file `source`, hashed while it is copied.

        Raises:
            WorkspaceError: it cannot be read.
        """
        digest = hashlib.sha256()
        try:
            executable = bool(source.stat().st_mode & 0o100)
            with source.open("rb") as reading, self._incoming() as file:
                size = 0
                while block := reading.read(1 << 20):
                    digest.update(block)
                    file.write(block)
                    size += len(block)
                self._publish(file.name, self.path(digest.hexdigest()), file)
        except OSError as error:
            raise WorkspaceError(f"{error.filename or source} cannot be kept: {error.strerror or error}") from error
        return StoredFile(path=source.name, sha256=digest.hexdigest(), size=size, executable=executable)

    def put_tree(self, source: Path) -> Tree:
        """Keep the file `source` (a tree of one), or all files below the folder `source`, which stays as top folder.

        Raises:
            WorkspaceError: there is none, or a link leads out of it.
        """
        if source.is_file():
            return Tree(files=(self.put_file(source),))
        if not source.is_dir():
            raise WorkspaceError(f"{source} does not exist")
        root = source.resolve()
        kept = []
        for path in sorted(root.rglob("*")):
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise WorkspaceError(
                    f"{path} is a link that leads out of {source}", hint="copy what it points to into the folder"
                )
            if path.is_file():
                one = self.put_file(path)
                name = (Path(root.name) / path.relative_to(root)).as_posix()
                kept.append(StoredFile(path=name, sha256=one.sha256, size=one.size, executable=one.executable))
        return Tree(files=tuple(sorted(kept, key=lambda one: one.path)))

    def take_tree(self, tree: Tree, target: Path, *, overwrite: bool = False) -> None:
        """Write the files of `tree` into the folder `target`, each checked against its hash.

        Raises:
            IntegrityError: a kept file is not what it was, or its path leads out of the folder.
        """
        with new_folder(target, overwrite=overwrite) as folder:
            for one in tree.files:
                self.take_file(one, one.below(folder))

    def take_file(self, one: StoredFile, target: Path) -> None:
        """Write one kept file to `target`, in one step: whoever is killed leaves the old file or none.

        Raises:
            IntegrityError: it is missing or not what it was.
        """
        digest = hashlib.sha256()
        mode = 0o755 if one.executable else 0o644
        try:
            # many files of one folder are taken one after another: none looks through the folder for leftovers
            with new_file(target, mode=mode, sweep=False) as writing, self.path(one.sha256).open("rb") as reading:
                while block := reading.read(1 << 20):
                    digest.update(block)
                    writing.write(block)
                if digest.hexdigest() != one.sha256:
                    raise IntegrityError(f"{one.path} in the workspace is not what was kept: it is damaged on the disk")
        except OSError as error:
            raise IntegrityError(f"{one.path} cannot be taken from the workspace: {error.strerror or error}") from error

    def _incoming(self) -> tempfile._TemporaryFileWrapper[bytes]:
        self._root.mkdir(parents=True, exist_ok=True)
        return tempfile.NamedTemporaryFile(dir=self._root, prefix=".incoming.", delete=True)

    def _publish(self, temporary: str, target: Path, file: tempfile._TemporaryFileWrapper[bytes]) -> None:
        file.flush()
        os.fsync(file.fileno())
        if target.is_file():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(temporary, target)  # atomic, and the temporary name still goes away by itself
        except FileExistsError:
            return
        except OSError:
            shutil.copyfile(temporary, f"{temporary}.copy")
            os.replace(f"{temporary}.copy", target)  # noqa: PTH105

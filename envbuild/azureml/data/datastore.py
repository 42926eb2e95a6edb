"""`Datastore`: a folder of the workspace in the place of a storage account."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.azureml.data.data_reference import DataReference
from envbuild.core.errors import WorkspaceError

if TYPE_CHECKING:
    from envbuild.azureml.workspace import Workspace

DEFAULT = "workspaceblobstore"


class Datastore:
    """A folder for data. Paths in it are relative and stay inside."""

    def __init__(self, workspace: Workspace, name: str = DEFAULT) -> None:
        """Refer to the datastore `name`; its folder is made with the first file.

        Raises:
            WorkspaceError: the name is not accepted.
        """
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,254}", name):
            raise WorkspaceError(f"{name!r} cannot name a datastore", hint="letters, digits, '_' and '-'")
        self.workspace, self.name = workspace, name

    @staticmethod
    def get_default(workspace: Workspace) -> Datastore:
        """Return the workspace's own datastore."""
        return Datastore(workspace)

    @staticmethod
    def get(workspace: Workspace, datastore_name: str) -> Datastore:
        """Return a datastore that holds something, or the default one.

        Raises:
            WorkspaceError: there is none of that name.
        """
        found = Datastore(workspace, datastore_name)
        if datastore_name != DEFAULT and not found.folder.is_dir():
            raise WorkspaceError(f"there is no datastore {datastore_name} in this workspace")
        return found

    @property
    def folder(self) -> Path:
        """Where it is on this machine."""
        return self.workspace.core.folder.resolve() / "data" / self.name

    def path(self, path: str | None = None) -> DataReference:
        """Return a place in it."""
        return DataReference(self._inside(path or "."), "mount", self.name)

    def as_mount(self) -> DataReference:
        """Return all of it, as an argument of a script."""
        return self.path()

    def as_download(self) -> DataReference:
        """Return all of it, as an argument of a script."""
        return self.path().as_download()

    def as_upload(self) -> DataReference:
        """Return all of it, to write to."""
        return self.path().as_upload()

    def upload_files(
        self,
        files: Sequence[str | Path],
        relative_root: str | Path | None = None,
        target_path: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> DataReference:
        """Copy `files` to the folder `target_path`; with `relative_root` they keep their folders below it.

        Raises:
            WorkspaceError: a file is missing, or is there already with other content (unless `overwrite`).
        """
        del show_progress
        root = Path(relative_root or os.path.commonpath([Path(one).resolve().parent for one in files])).resolve()
        for one in files:
            source = Path(one).resolve()
            if not source.is_file():
                raise WorkspaceError(f"{one} does not exist")
            if not source.is_relative_to(root):
                raise WorkspaceError(f"{one} is not below {root}")
            self._copy(source, self._inside(target_path or ".") / source.relative_to(root), overwrite=overwrite)
        return self.path(target_path)

    def upload(
        self, src_dir: str | Path, target_path: str | None = None, overwrite: bool = False, show_progress: bool = True
    ) -> DataReference:
        """Copy all files below the folder `src_dir` to `target_path`.

        Raises:
            WorkspaceError: as `upload_files`.
        """
        files = [one for one in sorted(Path(src_dir).rglob("*")) if one.is_file()]
        return self.upload_files(files, src_dir, target_path, overwrite, show_progress)

    def download(
        self, target_path: str | Path, prefix: str | None = None, overwrite: bool = False, show_progress: bool = True
    ) -> int:
        """Copy what lies below `prefix` to the folder `target_path`, and return the number of files.

        Raises:
            WorkspaceError: a file is there already with other content (unless `overwrite`).
        """
        del show_progress
        source = self._inside(prefix or ".")
        found = [source] if source.is_file() else [one for one in sorted(source.rglob("*")) if one.is_file()]
        for one in found:
            self._copy(one, Path(target_path) / one.relative_to(self.folder), overwrite=overwrite)
        return len(found)

    def _inside(self, path: str) -> Path:
        place = Path(os.path.normpath(self.folder / path.lstrip("/")))
        if not place.is_relative_to(self.folder):
            raise WorkspaceError(f"{path!r} leads out of datastore {self.name}")
        return place

    @staticmethod
    def _copy(source: Path, target: Path, *, overwrite: bool) -> None:
        if target.exists() and not overwrite and target.read_bytes() != source.read_bytes():
            raise WorkspaceError(f"{target.name} exists with other content", hint="say overwrite=True")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)

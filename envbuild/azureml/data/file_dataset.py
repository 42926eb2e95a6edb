"""`FileDataset`: files as they are."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from envbuild.azureml.data.data_reference import DataReference
from envbuild.azureml.data.registered import RegisteredData
from envbuild.core.errors import WorkspaceError


class FileDataset(RegisteredData):
    """Files of any kind."""

    form = "file"

    def to_path(self) -> Sequence[str]:
        """Return the files' paths below their common folder, each with a `/` before it, as Azure does."""
        return [f"/{path.relative_to(self.folder).as_posix()}" for path in self.paths]

    def download(self, target_path: str | Path | None = None, overwrite: bool = False) -> Sequence[str]:
        """Copy the files to `target_path` and return where they are.

        Raises:
            WorkspaceError: one is there already (unless `overwrite`).
        """
        target = Path(target_path or "data")
        written = []
        for path in self.paths:
            place = target / path.relative_to(self.folder)
            if place.exists() and not overwrite:
                raise WorkspaceError(f"{place} already exists", hint="say overwrite=True")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            written.append(str(place))
        return written

    def as_mount(self, path_on_compute: str | None = None) -> DataReference:
        """Return the folder of the files, as an argument of a script."""
        return DataReference(self.folder, "mount", path_on_compute or "")

    def as_download(self, path_on_compute: str | None = None) -> DataReference:
        """Return the folder of the files, as an argument of a script."""
        return DataReference(self.folder, "download", path_on_compute or "")

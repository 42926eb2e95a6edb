"""A place in a datastore, as an argument of a script."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataReference:
    """A folder or file on this machine. `mode` is kept as Azure names it: here a mount and a download are the same path."""

    path: Path
    mode: str = "mount"
    name: str = ""

    def as_mount(self) -> DataReference:
        """Return the same place."""
        return DataReference(self.path, "mount", self.name)

    def as_download(self) -> DataReference:
        """Return the same place."""
        return DataReference(self.path, "download", self.name)

    def as_upload(self) -> DataReference:
        """Return the same place, to write to."""
        return DataReference(self.path, "upload", self.name)

    def __str__(self) -> str:
        return str(self.path)

"""A place in a datastore, as an argument of a script."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataReference:
    """A folder or file on this machine. `mode` is kept as Azure names it: here a mount and a download are the same path.

    `name` is what the script asks for it by (`run.input_datasets[name]`), `dataset` the `name:version` of a registered one.
    """

    path: Path
    mode: str = "mount"
    name: str = ""
    dataset: str = ""

    def as_mount(self) -> DataReference:
        """Return the same place."""
        return replace(self, mode="mount")

    def as_download(self) -> DataReference:
        """Return the same place."""
        return replace(self, mode="download")

    def as_upload(self) -> DataReference:
        """Return the same place, to write to."""
        return replace(self, mode="upload")

    def variables(self) -> dict[str, str]:
        """Return the variables by which the script finds it."""
        if not self.name:
            return {}
        found = {f"AZUREML_DATAREFERENCE_{self.name}": str(self.path)}
        return {**found, f"AZUREML_DATASET_{self.name}": self.dataset} if self.dataset else found

    def __str__(self) -> str:
        return str(self.path)

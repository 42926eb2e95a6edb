"""Model.get_model_path: where the image holds a registered model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class Model:
    """Finds models in the image; registering and deploying them is envbuild's work, not the service's."""

    @staticmethod
    def get_model_path(model_name: str, version: int | None = None, _workspace: Any = None) -> str:
        """Return the path of a model: of its file, or of its folder.

        Looks in `azureml-models/<name>/<version>` below AML_APP_ROOT, the highest version where none is named; then
        for `<name>` in the working directory.

        Raises:
            FileNotFoundError: when the image does not hold the model or the version.
            ValueError: when the version is not a number or the version's folder does not hold exactly one entry.
        """
        folder = Path(os.environ.get("AML_APP_ROOT", "")) / "azureml-models" / model_name
        if not folder.is_dir():
            return _in_working_directory(model_name, folder)
        chosen = folder / str(int(version) if version is not None else _highest(folder))
        if not chosen.is_dir():
            raise FileNotFoundError(f"model {model_name} has no version {version}: {chosen} does not exist")
        entries = sorted(entry for entry in chosen.iterdir() if not entry.name.startswith("."))
        if len(entries) != 1:
            raise ValueError(f"{chosen} holds {len(entries)} entries; a model's version is one file or one folder")
        return str(entries[0])


def _highest(folder: Path) -> int:
    versions = [int(entry.name) for entry in folder.iterdir() if entry.name.isdigit()]
    if not versions:
        raise FileNotFoundError(f"{folder} holds no version of the model")
    return max(versions)


def _in_working_directory(model_name: str, folder: Path) -> str:
    if not Path(model_name).exists():
        raise FileNotFoundError(f"model {model_name} is not in the image: neither {folder} nor ./{model_name} exists")
    return model_name

"""`Model` inside a run: where the models of a service's layout lie, and nothing else of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class Model:
    """Finds models beside the script."""

    @staticmethod
    def get_model_path(model_name: str, version: int | None = None, _workspace: Any = None) -> str:
        """Return the path of a model below `azureml-models/<name>/<version>`, the highest version where none is named.

        Raises:
            FileNotFoundError: it is not there.
        """
        folder = Path(os.environ.get("AML_APP_ROOT", "")) / "azureml-models" / model_name
        versions = sorted((one for one in folder.glob("*") if one.name.isdigit()), key=lambda one: int(one.name))
        chosen = folder / str(version) if version is not None else (versions or [folder])[-1]
        entries = sorted(chosen.glob("*"))
        if len(entries) == 1:
            return str(entries[0])
        if Path(model_name).exists():
            return model_name
        raise FileNotFoundError(f"model {model_name} is neither in {chosen} nor here")

"""What the drivers share: finding the model, reading the request, writing the prediction."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..failures import RequestError, StartupError  # noqa: TID252 - this folder has no absolute name


def model_folder() -> Path:
    """Return the folder that AZUREML_MODEL_DIR names.

    Raises:
        StartupError: when the variable is not set or does not name a folder.
    """
    text = os.environ.get("AZUREML_MODEL_DIR", "")
    if not text or not Path(text).is_dir():
        raise StartupError(f"AZUREML_MODEL_DIR must name the folder of the model; it is {text!r}")
    return Path(text)


def find_one(folder: Path, what: str, *patterns: str) -> Path:
    """Return the one path below `folder` that matches one of the patterns.

    Raises:
        StartupError: when none matches, or several do.
    """
    found = sorted(path for pattern in patterns for path in folder.rglob(pattern))
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found) or "none"
        raise StartupError(f"{folder} must hold one {what} ({', '.join(patterns)}); found: {names}")
    return found[0]


def read_object(text: str) -> dict[str, Any]:
    """Read a request's body as a JSON object.

    Raises:
        RequestError: 400.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"The body could not be decoded as JSON: {error}") from None
    if not isinstance(found, dict):
        raise RequestError(400, 'The body should be a JSON object, such as {"data": [[1, 2]]}.')
    return found


def plain(value: Any) -> Any:
    """Return a prediction as lists, dicts and scalars that JSON can hold."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return plain(value.to_dict(orient="records"))
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

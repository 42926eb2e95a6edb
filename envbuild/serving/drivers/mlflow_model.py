"""Serve an MLflow model directory (MLmodel): with mlflow where it is installed, else a pickled scikit-learn flavor.

Request: MLflow's `dataframe_split`, `dataframe_records`, `instances` or `inputs`, answered by `{"predictions": …}`;
or Azure's `input_data`, or `data`, answered by the predictions alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable

from ..failures import RequestError, StartupError  # noqa: TID252 - this folder has no absolute name
from .payload import find_one, model_folder, plain, read_object
from .scikit_learn import load

predict: Callable[[Any], Any] | None = None


def init() -> None:
    """Load the one MLmodel directory below AZUREML_MODEL_DIR."""
    global predict  # noqa: PLW0603 - the documented shape of a scoring script
    folder = find_one(model_folder(), "MLflow model", "MLmodel").parent
    try:
        import mlflow.pyfunc  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        predict = _scikit_learn(folder)
    else:
        predict = mlflow.pyfunc.load_model(str(folder)).predict


def _scikit_learn(folder: Path) -> Callable[[Any], Any]:
    """Return the predict method of the pickled scikit-learn model."""
    facts = read_flavor((folder / "MLmodel").read_text(encoding="utf-8"), "sklearn")
    name = facts.get("pickled_model", "")
    if not name or facts.get("serialization_format", "pickle") == "skops":
        raise StartupError(f"{folder} is not a pickled scikit-learn model, so mlflow must be in the environment")
    path = (folder / name).resolve()
    if folder.resolve() not in path.parents:
        raise StartupError(f"{folder}/MLmodel: pickled_model {name!r} lies outside the model's folder")
    method: Callable[[Any], Any] = load(path).predict
    return method


def read_flavor(text: str, flavor: str) -> dict[str, str]:
    """Return the plain values of one flavor of an MLmodel file, which is YAML with two spaces for each level."""
    inside = re.search(rf"^  {re.escape(flavor)}:\n((?:    .*\n?)+)", text, re.MULTILINE)
    lines = inside.group(1).splitlines() if inside else []
    pairs = (re.fullmatch(r" {4}(\w+): +['\"]?(.*?)['\"]?\s*", line) for line in lines)
    return {pair.group(1): pair.group(2) for pair in pairs if pair}


def run(data: str) -> Any:
    """Predict on a request's table or tensors."""
    request = read_object(data)
    known = [key for key in _READERS if key in request]
    if len(known) != 1:
        raise RequestError(400, f"The body needs one of: {', '.join(_READERS)}")
    key = known[0]
    try:
        values = _READERS[key](request[key])
        found = plain(predict(values)) if predict is not None else None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RequestError(400, f"The model does not take {key!r} like this: {error}") from None
    return found if key in ("input_data", "data") else {"predictions": found}


def _split(value: dict[str, Any]) -> Any:
    import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]

    return pd.DataFrame(value["data"], columns=value.get("columns"), index=value.get("index"))


def _records(value: list[Any]) -> Any:
    import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]

    return pd.DataFrame(value)


def _array(value: Any) -> Any:
    import numpy as np

    if isinstance(value, dict):
        return {name: np.asarray(part) for name, part in value.items()}
    return _records(value) if value and isinstance(value[0], dict) else np.asarray(value)


def _input_data(value: Any) -> Any:
    return _split(value) if isinstance(value, dict) and "data" in value else _array(value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _array,
    "inputs": _array,
    "input_data": _input_data,
    "data": _array,
}


def example() -> dict[str, Any]:
    """Return a request as it could be, for the description of the service."""
    return {"input_data": {"columns": [], "index": [], "data": []}}

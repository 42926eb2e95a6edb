"""Serve a scikit-learn model: pickle, joblib or skops.

Request: `{"data": [[…], …], "method": "predict"}`; rows may be objects. Without a method, predict_proba where the
model has it, else predict. Answer: `{"<method>": […]}`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..failures import RequestError, StartupError  # noqa: TID252 - this folder has no absolute name
from .payload import find_one, model_folder, plain, read_object
from .tables import make_table

PATTERNS = ("*.pkl", "*.pickle", "*.joblib", "*.skops")
METHODS = ("predict_proba", "predict", "predict_log_proba", "decision_function", "score_samples", "transform")
model: Any = None


def init() -> None:
    """Load the one model file below AZUREML_MODEL_DIR."""
    global model  # noqa: PLW0603 - the documented shape of a scoring script
    model = load(find_one(model_folder(), "model file", *PATTERNS))


def load(path: Path) -> Any:
    """Return the model in a file. Pickles run code when loaded: that is why only the service loads them."""
    if path.suffix == ".skops":
        return _load_skops(path)
    try:
        import joblib  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        import pickle

        return pickle.loads(path.read_bytes())  # noqa: S301 - the user's own model, inside its own service
    return joblib.load(path)


def _load_skops(path: Path) -> Any:
    """Load a skops file, which runs no code, as long as its types are known or named in ENVBUILD_SKOPS_TRUSTED."""
    import skops.io  # type: ignore[import-not-found,import-untyped,unused-ignore]

    named = {name.strip() for name in os.environ.get("ENVBUILD_SKOPS_TRUSTED", "").split(",")}
    unknown = [name for name in skops.io.get_untrusted_types(file=path) if name not in named]
    if unknown:
        raise StartupError(
            f"{path.name} holds types that are not trusted: {', '.join(unknown)} (ENVBUILD_SKOPS_TRUSTED)"
        )
    return skops.io.load(path, trusted=sorted(named - {""}))


def run(data: str) -> Any:
    """Score the rows of a request."""
    request = read_object(data)
    method = _method(request.get("method"))
    table = make_table(request.get("data"), model)
    try:
        return {method: plain(getattr(model, method)(table))}
    except (ValueError, TypeError) as error:
        raise RequestError(400, f"{method} does not take these rows: {error}") from None


def _method(asked: Any) -> str:
    able = [name for name in METHODS if hasattr(model, name)]
    if asked is None and able:
        return able[0]
    if asked not in able:
        raise RequestError(400, f'"method" is {asked!r}; this model has: {", ".join(able)}')
    return str(asked)


def example() -> dict[str, Any]:
    """Return a request as it could be, for the description of the service."""
    width = getattr(model, "n_features_in_", 1)
    return {"data": [[0.0] * int(width)]}

"""What `azureml.core` exports, on this machine. A class is imported when it is named, so that naming one is cheap."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from envbuild import __version__

_HOMES = {
    "ComputeTarget": "compute",
    "Datastore": "datastore",
    "Dataset": "dataset",
    "Environment": "environment",
    "Experiment": "experiment",
    "Image": "image",
    "Model": "model",
    "Run": "run",
    "RunConfiguration": "runconfig",
    "ScriptRunConfig": "script_run_config",
    "Webservice": "webservice",
    "Workspace": "workspace",
}

VERSION = __version__
"""envbuild's, where scripts look for the SDK's."""

__all__ = ["VERSION", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])

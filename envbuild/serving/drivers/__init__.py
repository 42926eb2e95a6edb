"""Drivers that serve a model without a scoring script: each module has init() and run()."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

_MODULES = {
    "scikit-learn": "scikit_learn",
    "onnx": "onnx_graph",
    "tensorflow": "saved_model",
    "mlflow": "mlflow_model",
}


def load_driver(framework: str) -> ModuleType:
    """Return the driver of a framework (one of options.FRAMEWORKS)."""
    return import_module(f".{_MODULES[framework]}", __name__)

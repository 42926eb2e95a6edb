"""Call a driver with a model folder."""

from __future__ import annotations

import importlib
import json

import pytest

from envbuild.serving.drivers import load_driver


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Load a framework's driver on the model in tmp_path: `driver(name)` returns what scores a value."""
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path))

    def load(framework: str):
        module = importlib.reload(load_driver(framework))
        module.init()

        def score(value):
            return module.run(value if isinstance(value, str) else json.dumps(value))

        score.module = module
        return score

    return load

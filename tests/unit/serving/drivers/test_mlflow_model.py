"""MLflow model directories without a script."""

from __future__ import annotations

import pickle
import sys

import pytest

from envbuild.serving.drivers.mlflow_model import read_flavor
from envbuild.serving.failures import RequestError, StartupError

ROWS = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
MLMODEL = """artifact_path: model
flavors:
  python_function:
    env:
      conda: conda.yaml
    loader_module: mlflow.sklearn
    model_path: model.pkl
    predict_fn: predict
    python_version: 3.11.7
  sklearn:
    code: null
    pickled_model: model.pkl
    serialization_format: cloudpickle
    sklearn_version: 1.5.0
model_uuid: 0123
signature:
  inputs: '[{"name": "a", "type": "double"}, {"name": "b", "type":
    "double"}]'
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Write a scikit-learn model as MLflow does, and hide mlflow."""
    linear = pytest.importorskip("sklearn.linear_model")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "mlflow.pyfunc", None)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "MLmodel").write_text(MLMODEL)
    (tmp_path / "m" / "model.pkl").write_bytes(pickle.dumps(linear.LinearRegression().fit(ROWS, [0.0, 1.0, 2.0, 3.0])))
    return tmp_path / "m"


def test_flavor_is_read_without_a_yaml_parser():
    found = read_flavor(MLMODEL, "sklearn")
    assert found == {
        "code": "null",
        "pickled_model": "model.pkl",
        "serialization_format": "cloudpickle",
        "sklearn_version": "1.5.0",
    }
    assert read_flavor(MLMODEL, "python_function")["loader_module"] == "mlflow.sklearn"
    assert read_flavor(MLMODEL, "torch") == {}


@pytest.mark.parametrize(
    ("value", "wrapped"),
    [
        ({"dataframe_split": {"columns": ["a", "b"], "data": ROWS}}, True),
        ({"dataframe_records": [{"a": a, "b": b} for a, b in ROWS]}, True),
        ({"instances": ROWS}, True),
        ({"inputs": ROWS}, True),
        ({"input_data": {"columns": ["a", "b"], "index": [0, 1, 2, 3], "data": ROWS}}, False),
        ({"input_data": ROWS}, False),
        ({"data": ROWS}, False),
    ],
)
@pytest.mark.filterwarnings("ignore:X has feature names")
def test_every_format_of_request(driver, model, value, wrapped):
    pytest.importorskip("pandas")
    answer = driver("mlflow")(value)
    found = answer["predictions"] if wrapped else answer
    assert [round(one, 6) for one in found] == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "value",
    [
        "{",
        {},
        {"instances": ROWS, "data": ROWS},
        {"data": [["a", "b"]]},
        {"data": [[1.0]]},
        {"dataframe_split": {}},
        {"instances": 3},
    ],
)
def test_values_that_do_not_fit_are_the_clients_mistake(driver, model, value):
    score = driver("mlflow")
    with pytest.raises(RequestError) as caught:
        score(value)
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["../outside.pkl", "/etc/passwd"])
def test_pickle_outside_the_folder_is_refused(driver, model, name):
    (model.parent / "outside.pkl").write_bytes(b"")
    (model / "MLmodel").write_text(MLMODEL.replace("pickled_model: model.pkl", f"pickled_model: {name}"))
    with pytest.raises(StartupError, match="outside the model's folder"):
        driver("mlflow")


def test_other_flavors_need_mlflow(driver, model):
    (model / "MLmodel").write_text(MLMODEL.replace("  sklearn:", "  torch:"))
    with pytest.raises(StartupError, match="mlflow must be in the environment"):
        driver("mlflow")


def test_with_mlflow_installed(driver, tmp_path):
    mlflow = pytest.importorskip("mlflow.sklearn")
    linear = pytest.importorskip("sklearn.linear_model")
    mlflow.save_model(linear.LinearRegression().fit(ROWS, [0.0, 1.0, 2.0, 3.0]), str(tmp_path / "m"))
    answer = driver("mlflow")({"instances": ROWS})
    assert [round(one, 6) for one in answer["predictions"]] == [0.0, 1.0, 2.0, 3.0]

"""Models without a script, packaged with real libraries, built and run on the engine: scikit-learn, ONNX, MLflow."""

import json
import pickle
import sys

import pytest

from envbuild import api
from envbuild.demo import free_port
from envbuild.served import serve_container
from tests.engine.test_road import build, post

pytestmark = [
    pytest.mark.engine,
    pytest.mark.index,
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the local base image has Python 3.11"),
]

MLMODEL = """artifact_path: model
flavors:
  python_function:
    loader_module: mlflow.sklearn
    model_path: model.pkl
  sklearn:
    pickled_model: model.pkl
    serialization_format: cloudpickle
"""


def field(number, value):
    """Return one field of a protobuf message: a number as varint, all else with its length."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    data = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2, len(data)]) + data


def onnx_graph():
    """Return the ONNX file of `y = x + x` over rows of two floats (onnx.proto3, IR version 8, operators of version 13)."""
    dimensions = field(1, field(2, "rows")) + field(1, field(1, 2))
    floats = field(2, field(1, field(1, 1) + field(2, dimensions)))
    node = field(1, "x") + field(1, "x") + field(2, "y") + field(4, "Add")
    graph = field(1, node) + field(2, "doubled") + field(11, field(1, "x") + floats) + field(12, field(1, "y") + floats)
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))


@pytest.fixture(scope="module")
def classifier():
    linear = pytest.importorskip("sklearn.linear_model")
    return linear.LogisticRegression().fit([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 0, 1, 1])


@pytest.fixture
def project(tmp_path, classifier, base_image):
    """One environment for all three, so that its layers are made once."""
    import sklearn

    (tmp_path / "model.pkl").write_bytes(pickle.dumps(classifier))
    (tmp_path / "model.onnx").write_bytes(onnx_graph())
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow/MLmodel").write_text(MLMODEL)
    (tmp_path / "mlflow/model.pkl").write_bytes(pickle.dumps(classifier))
    pip = [f"scikit-learn=={sklearn.__version__}", "joblib", "numpy", "pandas", "cloudpickle", "onnxruntime"]
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.envbuild]\nname = "served"\nbase = "{base_image.reference}"\nallow-distribution = ["debian"]\n'
        f'python = "3.11"\npip = {json.dumps(pip)}\n'
    )
    return tmp_path


def test_models_without_a_script_answer_from_their_images(project, on_engine, ca_bundle):
    made = {}
    for framework, model in (("scikit-learn", "model.pkl"), ("onnx", "model.onnx"), ("mlflow", "mlflow")):
        package = api.package(
            project / "pyproject.toml", models=[api.served_model(project / model, None)], framework=framework
        )
        made[framework] = package, build(package, ca_bundle)
    rows = [[0.0, 1.0], [1.0, 0.0]]
    asked = {
        "scikit-learn": {"data": rows, "method": "predict"},
        "onnx": {"data": rows},
        "mlflow": {"input_data": {"columns": ["a", "b"], "index": [0, 1], "data": rows}},
    }
    answers = {}
    for framework, (package, image) in made.items():
        with serve_container(image, package.plan, port=free_port()) as url:
            answers[framework] = post(url, asked[framework])
            if framework == "scikit-learn":
                answers["probabilities"] = post(url, {"data": rows})["predict_proba"]
    assert answers["scikit-learn"] == {"predict": [0, 1]}
    assert [round(sum(row), 6) for row in answers["probabilities"]] == [1.0, 1.0]
    assert answers["onnx"] == {"y": [[0.0, 2.0], [2.0, 0.0]]}
    assert answers["mlflow"] == [0, 1]

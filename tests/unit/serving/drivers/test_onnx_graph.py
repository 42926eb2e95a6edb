"""ONNX graphs without a script."""

from __future__ import annotations

import pytest

from envbuild.serving.failures import RequestError, StartupError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def write_graph(path, inputs, node) -> None:
    """Write a graph of one node; `inputs` are names, types and shapes."""
    helper, types = onnx.helper, onnx.TensorProto
    values = [helper.make_tensor_value_info(name, getattr(types, kind), shape) for name, kind, shape in inputs]
    output = helper.make_tensor_value_info("total", getattr(types, inputs[0][1]), inputs[0][2])
    graph = helper.make_graph(
        [helper.make_node(node, [name for name, _, _ in inputs], ["total"])], "g", values, [output]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def test_one_input_takes_data(driver, tmp_path):
    write_graph(tmp_path / "model.onnx", [("x", "FLOAT", [None, 2])], "Abs")
    score = driver("onnx")
    assert score({"data": [[-1, 2], [3, -4]]}) == {"total": [[1.0, 2.0], [3.0, 4.0]]}
    assert score({"x": [[-1, 2]]}) == {"total": [[1.0, 2.0]]}
    assert score.module.example() == {"data": [[0.0, 0.0]]}


def test_several_inputs_go_by_name(driver, tmp_path):
    write_graph(tmp_path / "model.onnx", [("x", "INT64", [None]), ("y", "INT64", [None])], "Add")
    score = driver("onnx")
    assert score({"x": [1, 2], "y": [10, 20]}) == {"total": [11, 22]}
    assert score({"data": {"x": [1], "y": [1]}}) == {"total": [2]}
    assert score.module.example() == {"x": [0], "y": [0]}


@pytest.mark.parametrize(
    "value",
    [{}, {"data": [1, 2]}, {"data": [[1, 2, 3]]}, {"data": [["a", "b"]]}, {"data": [[1, 2], [3]]}, {"data": None}],
)
def test_values_that_do_not_fit_are_the_clients_mistake(driver, tmp_path, value):
    write_graph(tmp_path / "model.onnx", [("x", "FLOAT", [None, 2])], "Abs")
    score = driver("onnx")
    with pytest.raises(RequestError) as caught:
        score(value)
    assert caught.value.status == 400


def test_folder_without_a_graph(driver):
    with pytest.raises(StartupError, match="ONNX file"):
        driver("onnx")

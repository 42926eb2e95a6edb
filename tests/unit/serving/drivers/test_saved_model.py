"""TensorFlow SavedModels without a script."""

from __future__ import annotations

import pytest

from envbuild.serving.failures import RequestError

tf = pytest.importorskip("tensorflow")


class Doubler(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def double(self, x):
        return {"doubled": 2 * x}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="a"), tf.TensorSpec([None], tf.int64, name="b")])
    def both(self, a, b):
        return {"sum": a + b, "product": a * b}


@pytest.fixture
def score(driver, tmp_path):
    module = Doubler()
    signatures = {"serving_default": module.double, "both": module.both}
    tf.saved_model.save(module, str(tmp_path / "flowers"), signatures=signatures)
    return driver("tensorflow")


@pytest.mark.parametrize("key", ["instances", "data"])
def test_instances_give_predictions(score, key):
    assert score({key: [[1, 2], [3, 4]]}) == {"predictions": [[2.0, 4.0], [6.0, 8.0]]}


def test_inputs_give_outputs(score):
    assert score({"inputs": {"x": [[1, 2]]}}) == {"outputs": [[2.0, 4.0]]}
    assert score({"inputs": [[1, 2]]}) == {"outputs": [[2.0, 4.0]]}


def test_named_signature_with_several_inputs(score):
    request = {"signature_name": "both", "instances": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}
    assert score(request) == {"predictions": [{"product": 2, "sum": 3}, {"product": 12, "sum": 7}]}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"instances": []},
        {"instances": 3},
        {"instances": [[1, 2, 3]]},
        {"instances": [["a", "b"]]},
        {"inputs": {"y": [[1, 2]]}},
        {"signature_name": "none", "instances": [[1, 2]]},
        {"signature_name": "both", "inputs": [1]},
    ],
)
def test_values_that_do_not_fit_are_the_clients_mistake(score, value):
    with pytest.raises(RequestError) as caught:
        score(value)
    assert caught.value.status == 400

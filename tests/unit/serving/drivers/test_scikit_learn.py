"""scikit-learn models without a script."""

from __future__ import annotations

import json
import pickle

import pytest

from envbuild.serving.failures import RequestError, StartupError

linear = pytest.importorskip("sklearn.linear_model")
ROWS = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]


def classifier():
    return linear.LogisticRegression().fit(ROWS, [0, 0, 1, 1])


def regressor():
    return linear.LinearRegression().fit(ROWS, [0.0, 1.0, 2.0, 3.0])


def refused(score, value) -> str:
    with pytest.raises(RequestError) as caught:
        score(value)
    assert caught.value.status == 400
    return caught.value.message


@pytest.fixture
def scored(driver, tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(classifier()))
    return driver("scikit-learn")


def test_classifier_gives_probabilities_by_default(scored):
    answer = scored({"data": ROWS[:2]})
    assert list(answer) == ["predict_proba"]
    assert [round(sum(row), 6) for row in answer["predict_proba"]] == [1.0, 1.0]
    assert json.loads(json.dumps(answer)) == answer


def test_method_in_the_body_selects(scored):
    assert scored({"data": ROWS, "method": "predict"}) == {"predict": [0, 0, 1, 1]}
    assert list(scored({"data": ROWS, "method": "decision_function"})) == ["decision_function"]


@pytest.mark.parametrize("method", ["fit", "__class__", "transform", "", 3, ["predict"]])
def test_other_methods_cannot_be_reached(scored, method):
    assert "this model has: predict_proba, predict" in refused(scored, {"data": ROWS, "method": method})


def test_regressor_predicts_by_default(driver, tmp_path):
    joblib = pytest.importorskip("joblib")
    (tmp_path / "folder").mkdir()
    joblib.dump(regressor(), tmp_path / "folder" / "model.joblib")
    assert [round(value, 6) for value in driver("scikit-learn")({"data": ROWS})["predict"]] == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "value",
    [
        "{bad",
        "[1]",
        {},
        {"data": []},
        {"data": 3},
        {"data": [[1.0]]},
        {"data": [[1.0, 2.0, 3.0]]},
        {"data": [[1.0, 2.0], [1.0]]},
        {"data": [["a", "b"]]},
        {"data": [[1.0, None]]},
        {"data": [1.0, 2.0]},
        {"data": [{"x": 1}, 3]},
    ],
)
def test_rows_that_do_not_fit_are_the_clients_mistake(scored, value):
    assert refused(scored, value)


def test_named_features_may_come_as_objects_in_any_order(driver, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS, columns=["a", "b"])
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(linear.LinearRegression().fit(frame, [0.0, 1.0, 2.0, 3.0])))
    score = driver("scikit-learn")
    assert round(score({"data": [{"b": 1.0, "a": 0.0, "more": 7}]})["predict"][0], 6) == 1.0
    assert round(score({"data": [[0.0, 1.0]]})["predict"][0], 6) == 1.0
    assert "no value for: b" in refused(score, {"data": [{"a": 1}]})


def test_example_has_the_models_width(scored):
    assert scored.module.example() == {"data": [[0.0, 0.0]]}


@pytest.mark.parametrize("names", [[], ["a.pkl", "b.joblib"]])
def test_folder_must_hold_one_model(driver, tmp_path, names):
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(StartupError, match="must hold one model file"):
        driver("scikit-learn")


def test_folder_must_be_named(driver, monkeypatch):
    monkeypatch.setenv("AZUREML_MODEL_DIR", "/no/such/folder")
    with pytest.raises(StartupError, match="AZUREML_MODEL_DIR"):
        driver("scikit-learn")


def test_skops_file_without_unknown_types(driver, tmp_path):
    skops = pytest.importorskip("skops.io")
    skops.dump(classifier(), tmp_path / "model.skops")
    assert driver("scikit-learn")({"data": ROWS, "method": "predict"}) == {"predict": [0, 0, 1, 1]}


def test_skops_file_with_unknown_types_is_refused_until_they_are_named(driver, tmp_path, monkeypatch):
    skops = pytest.importorskip("skops.io")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    pipeline = pytest.importorskip("sklearn.pipeline")
    path = tmp_path / "model.skops"
    skops.dump(
        pipeline.make_pipeline(
            preprocessing.FunctionTransformer(plus_one, validate=True), linear.LinearRegression()
        ).fit(ROWS, [0, 1, 2, 3]),
        path,
    )
    with pytest.raises(StartupError, match="not trusted"):
        driver("scikit-learn")
    monkeypatch.setenv("ENVBUILD_SKOPS_TRUSTED", ",".join(skops.get_untrusted_types(file=path)))
    assert driver("scikit-learn")({"data": ROWS})["predict"]


def plus_one(rows):
    return rows + 1


def test_served_over_the_application(tmp_path, monkeypatch):
    from envbuild.serving.app import Application
    from envbuild.serving.script import load_script
    from envbuild.serving.settings import Settings
    from tests.unit.serving.conftest import Client

    (tmp_path / "model.pkl").write_bytes(pickle.dumps(classifier()))
    settings = Settings(app_root=tmp_path, framework="scikit-learn", model_dir=str(tmp_path), access_log=False)
    client = Client(Application(settings, load_script(settings)))
    assert client.post('{"data": [[1, 1]], "method": "predict"}').json == {"predict": [1]}
    reply = client.post('{"data": [[1]]}')
    assert (reply.status, reply.headers["x-ms-run-function-failed"]) == (400, "False")
    example = client.get("/swagger.json").json["definitions"]["ServiceInput"]["example"]
    assert example == {"data": [[0.0, 0.0]]}

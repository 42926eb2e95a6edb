"""What is recorded of requests, and what scripts collect."""

from __future__ import annotations

import csv
import importlib
import json
import sys

import pytest

from envbuild.serving import shim
from envbuild.serving.recording import MOST

SCRIPT = """
    import json

    def init(): pass

    def run(data):
        return json.loads(data)
"""


def test_each_scored_request_is_one_line_without_its_headers(serve, tmp_path):
    path = tmp_path / "requests.jsonl"
    ask = serve(SCRIPT, request_log=str(path), service_name="digits")
    headers = {"x-request-id": "one", "Authorization": "Bearer very-secret"}
    assert ask.post('{"a": [1, 2]}', headers).status == 200
    ask.post("no json")
    ask.get("/")
    ask.get("/score?x=1")
    ask.post(json.dumps("x" * (MOST + 10)))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 4
    first, failed, asked, long = lines
    assert (first["id"], first["serviceName"], first["name"]) == ("one", "digits", "POST /score")
    assert (first["resultCode"], first["success"], first["input"]) == (200, True, '{"a": [1, 2]}')
    assert json.loads(first["response"]) == {"a": [1, 2]}
    assert first["durationMs"] >= 0
    assert (failed["resultCode"], failed["success"], failed["input"]) == (500, False, "no json")
    assert asked["input"] == "x=1"
    assert long["input"].endswith(f"({MOST + 12} bytes)")
    assert "very-secret" not in path.read_text()


@pytest.fixture
def collector(tmp_path, monkeypatch):
    shim.install()
    monkeypatch.setenv("ENVBUILD_MODEL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SERVICE_NAME", "digits")
    monkeypatch.setenv("AZUREML_MODEL_DIR", "/var/azureml-app/azureml-models/best_model/7")
    monkeypatch.delenv("WORKSPACE_NAME", raising=False)
    found = importlib.import_module("azureml.monitoring").ModelDataCollector
    yield found
    sys.modules.pop("azureml.monitoring", None)


def rows(tmp_path, name):
    (path,) = (tmp_path / "data").rglob(name)
    with path.open(newline="") as file:
        return path, list(csv.reader(file))


def test_collected_rows_lie_where_azure_documents_them(collector, tmp_path):
    inputs = collector("best_model", designation="inputs", feature_names=["feat1", "feat2"])
    inputs.collect([[1, 2], [3, 4]])
    inputs.collect([5, "six, seven"], user_correlation_id="mine")
    path, found = rows(tmp_path, "inputs.csv")
    parts = path.relative_to(tmp_path / "data").parts
    assert parts[:5] == ("default", "digits", "best_model", "7", "inputs")
    assert [len(one) for one in parts[5:8]] == [4, 2, 2]
    assert found[0][3:] == ["feat1", "feat2"]
    assert [row[3:] for row in found[1:]] == [["1", "2"], ["3", "4"], ["5", "six, seven"]]
    assert found[3][1] == "mine"


@pytest.mark.parametrize(
    ("data", "expected"), [({"a": 1, "b": 2}, ["1", "2"]), (3, ["3"]), ("text", ["text"]), ([], [])]
)
def test_every_shape_is_a_row(collector, tmp_path, data, expected):
    collector("m", "predictions").collect(data)
    assert rows(tmp_path, "predictions.csv")[1][1][3:] == expected


def test_frames_and_arrays_are_rows(collector, tmp_path):
    pandas = pytest.importorskip("pandas")
    collector("m", "inputs").collect(pandas.DataFrame({"x": [1, 2], "y": [3, 4]}))
    assert [row[3:] for row in rows(tmp_path, "inputs.csv")[1]] == [["x", "y"], ["1", "3"], ["2", "4"]]
    collector("m", "predictions").collect(pandas.Series([1.5, 2.5]).to_numpy())
    assert rows(tmp_path, "predictions.csv")[1][1][3:] == ["1.5", "2.5"]


def test_names_cannot_leave_the_folder_and_nothing_is_kept_where_nobody_asked(collector, tmp_path, monkeypatch):
    collector("../../m", "../inputs").collect([1])
    assert all(one.is_relative_to(tmp_path / "data") for one in tmp_path.rglob("*.csv"))
    monkeypatch.delenv("ENVBUILD_MODEL_DATA")
    collector("other", "inputs").collect([1])
    assert not list(tmp_path.rglob("other"))

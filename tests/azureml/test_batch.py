"""Batch deployments on this machine: files in, rows out."""

import json

import pytest

from envbuild.azureml.core import Environment, Model
from envbuild.cli.main import run as envbuild

DRIVER = """
import os, sys
from pathlib import Path

def init():
    global factor
    factor = int((Path(os.environ["AZUREML_MODEL_DIR"]) / "factor.txt").read_text())
    print("a script may print")

def run(mini_batch):
    rows = []
    for one in mini_batch:
        text = Path(one).read_text()
        if text == "exit":
            sys.exit(1)
        if text == "die":
            os._exit(1)
        if text == "skip":
            continue
        rows.append([Path(one).name, int(text) * factor])
    Path(os.environ["AZUREML_BI_OUTPUT_PATH"], "own.txt").write_text(os.environ["COLOUR"])
    return rows
"""
DEPLOYMENT = """
$schema: https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json
name: dp
endpoint_name: ep
type: model
model: {path: factor.txt, name: factor}
code_configuration: {code: code, scoring_script: driver.py}
environment: azureml:own:1
resources: {instance_count: 2}
settings:
  mini_batch_size: 2
  retry_settings: {max_retries: 0, timeout: 60}
  environment_variables: {COLOUR: red}
"""


@pytest.fixture
def deployment(ws, project):
    own = Environment("own")
    own.python.user_managed_dependencies = True
    own.register(ws)
    (project / "code").mkdir()
    (project / "code/driver.py").write_text(DRIVER)
    (project / "factor.txt").write_text("10")
    (project / "data/inner").mkdir(parents=True)
    for number in range(5):
        (project / f"data/{number}.txt").write_text(str(number))
    (project / "data/inner/9.txt").write_text("9")
    path = project / "deployment.yml"
    path.write_text(DEPLOYMENT)
    return path


def test_a_folder_is_scored_in_the_order_of_its_files(deployment, project, capsys):
    assert envbuild(["batch", "run", "deployment.yml", "--input", "data", "--output", "out", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["files"], found["mini_batches"], found["failed_files"], found["rows"]) == (6, 3, 0, 6)
    rows = [f"['{name}.txt', {value}]" for name, value in ((0, 0), (1, 10), (2, 20), (3, 30), (4, 40), (9, 90))]
    assert (project / "out/predictions.csv").read_text().splitlines() == rows
    assert json.loads((project / "out/summary.json").read_text())["files"] == 6
    assert (project / "out/own.txt").read_text() == "red"
    assert "a script may print" in (project / "out/log.txt").read_text()


def test_what_fails_costs_its_mini_batch_and_no_more(deployment, project, capsys):
    for number, text in (("1", "exit"), ("2", "die"), ("4", "skip")):
        (project / f"data/{number}.txt").write_text(text)
    assert envbuild(["batch", "run", "deployment.yml", "--input", "data", "--output", "out", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    errors = {one["files"][0][-5:]: one["error"] for one in found["failures"]}
    assert (found["failed_files"], found["rows"]) == (5, 1)
    assert "SystemExit: 1" in errors["0.txt"]
    assert "sys.exit(1)" in errors["0.txt"]
    assert errors["2.txt"] == "the worker ended"
    assert errors["4.txt"] == "run() returned 1 results for 2 files"


def test_an_error_threshold_ends_the_work(deployment, project, capsys):
    deployment.write_text(DEPLOYMENT + "  error_threshold: 1\n")
    (project / "data/1.txt").write_text("exit")
    assert envbuild(["batch", "run", "deployment.yml", "--input", "data", "--output", "out", "--workers", "1"]) == 11
    assert "2 files failed, more than error_threshold 1 allows" in capsys.readouterr().err
    assert not (project / "out/predictions.csv").exists()
    assert json.loads((project / "out/summary.json").read_text())["failed_files"] == 2


def test_a_script_that_does_not_start_is_shown(deployment, project, capsys):
    (project / "code/driver.py").write_text(
        "def init():\n    raise ValueError('no weights')\n\ndef run(mini_batch):\n    return []\n"
    )
    assert envbuild(["batch", "run", "deployment.yml", "--input", "data", "--output", "out"]) == 11
    said = capsys.readouterr().err
    assert "no weights" in said
    assert "line 2" in said


def test_a_kept_deployment_and_an_inference_configuration_score_too(ws, deployment, project, capsys):
    assert envbuild(["deploy", "deployment.yml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"] == ["factor:1"]
    assert envbuild(["batch", "run", "ep", "--input", "data/3.txt", "--output", "one"]) == 0
    assert (project / "one/predictions.csv").read_text() == "['3.txt', 30]\n"
    capsys.readouterr()
    assert envbuild(["batch", "list"]) == 0
    assert "ep.dp" in capsys.readouterr().out
    inference = {"entryScript": "driver.py", "sourceDirectory": "code", "environment": {"name": "own", "version": "1"}}
    (project / "inferenceconfig.json").write_text(json.dumps(inference))
    (project / "code/driver.py").write_text(DRIVER.replace('os.environ["COLOUR"]', '"none"'))
    assert Model(ws, "factor").version == 1
    command = "batch run --ic inferenceconfig.json -m factor:1 --mini-batch-size 4 --input data --output two --json"
    assert envbuild(command.split()) == 0
    assert json.loads(capsys.readouterr().out)["mini_batches"] == 2
    assert envbuild(["batch", "run", "absent", "--input", "data", "--output", "three"]) == 10
    assert envbuild(["batch", "run", "--input", "data", "--output", "three"]) == 3
    (project / "empty").mkdir()
    assert envbuild(["batch", "run", "ep", "--input", "empty", "--output", "three"]) == 3

"""A newly registered version of a model runs a command, or deploys."""

import json
import time

import pytest

from envbuild.azureml.core import Environment, Model
from envbuild.azureml.endpoints.online import OnlineEndpoint
from envbuild.azureml.endpoints.triggers import triggers
from envbuild.cli.main import run as envbuild


def ended(ws, name, model):
    """Return what became of a trigger for `model`, when it has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        last = {one["name"]: one["last"] for one in triggers(ws.core)}[name]
        if last.get("model") == model and last["status"] != "Running":
            return last
        time.sleep(0.1)
    pytest.fail(f"the trigger did not end: {last}")


def register(project, text, *more):
    (project / "model.txt").write_text(text)
    return envbuild(["model", "register", "-n", "mine", "-p", "model.txt", *more])


def test_a_new_version_runs_the_command_once(ws, project, capsys):
    assert register(project, "one") == 0
    assert envbuild(["trigger", "add", "say", "-m", "mine", "--run", 'echo "$MODEL_ID is new" >> said.txt']) == 0
    assert register(project, "one") == 0  # nothing new
    assert register(project, "two") == 0
    assert "trigger say was started" in capsys.readouterr().err
    assert ended(ws, "say", "mine:2")["status"] == "Succeeded"
    assert register(project, "two") == 0
    Model.register(ws, "model.txt", "other")
    (project / "model.txt").write_text("three")
    Model.register(ws, "model.txt", "mine")
    ended(ws, "say", "mine:3")
    assert (project / "said.txt").read_text() == "mine:2 is new\nmine:3 is new\n"
    assert envbuild(["trigger", "list"]) == 0
    assert "mine:3 Succeeded" in capsys.readouterr().out
    assert envbuild(["trigger", "remove", "say"]) == 0
    assert envbuild(["trigger", "remove", "say"]) == 10


def test_a_command_that_fails_is_told_and_tags_choose(ws, project, capsys):
    assert envbuild(["trigger", "add", "fail", "--tag", "stage=prod", "--run", "echo no; exit 3"]) == 0
    assert register(project, "one") == 0
    assert register(project, "two", "--tag", "stage=prod") == 0
    assert ended(ws, "fail", "mine:2")["code"] == 3
    capsys.readouterr()
    assert envbuild(["trigger", "logs", "fail"]) == 0
    assert "no" in capsys.readouterr().out
    assert envbuild(["trigger", "run", "fail", "mine:1"]) == 11
    assert envbuild(["trigger", "add", "a b", "--run", "true"]) == 3


def test_a_new_version_is_deployed(ws, project):
    own = Environment("own")
    own.python.user_managed_dependencies = True
    own.register(ws)
    (project / "score.py").write_text(
        "import os\nfrom pathlib import Path\n\n\ndef init():\n    pass\n\n\ndef run(data):\n"
        "    return Path(os.environ['AZUREML_MODEL_DIR'], 'model.txt').read_text()\n"
    )
    deployment = {
        "name": "blue",
        "endpoint_name": "triggered",
        "model": "azureml:mine@latest",
        "code_configuration": {"code": ".", "scoring_script": "score.py"},
        "environment": "azureml:own:1",
    }
    (project / "deployment.yml").write_text(json.dumps(deployment))
    assert envbuild(["trigger", "add", "ship", "-m", "mine", "--deploy", "deployment.yml"]) == 0
    assert register(project, "one") == 0
    assert ended(ws, "ship", "mine:1")["status"] == "Succeeded"
    endpoint = OnlineEndpoint(ws, "triggered")
    try:
        assert json.loads(endpoint.invoke(b"{}")) == "one"
        assert endpoint.values["deployments"]["blue"]["models"] == ["mine:1"]
    finally:
        endpoint.delete()

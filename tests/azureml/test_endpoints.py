"""v2's online endpoints on this machine: `envbuild deploy`, `envbuild endpoint`."""

import json
import threading
import time
import urllib.error
import urllib.request

import pytest

from envbuild.azureml.core import Environment, Workspace
from envbuild.azureml.endpoints.online import OnlineEndpoint
from envbuild.cli.main import run as envbuild
from envbuild.core.errors import ServiceError

SCORE = """
import json, os, time
from pathlib import Path

def init():
    global offset
    offset = int((Path(os.environ["AZUREML_MODEL_DIR"]) / "offset.txt").read_text())

def run(data):
    wanted = json.loads(data)
    time.sleep(wanted.get("sleep", 0))
    return {"who": os.environ["WHO"], "sum": sum(wanted["data"]) + offset}
"""
DEPLOYMENT = """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: {name}
endpoint_name: my-endpoint
model: {{path: offset.txt}}
code_configuration: {{code: code, scoring_script: score.py}}
environment: azureml:own:1
environment_variables: {{WHO: {name}}}
request_settings: {{request_timeout_ms: 500}}
instance_type: Standard_DS3_v2
instance_count: 1
"""


@pytest.fixture
def files(ws, project):
    own = Environment("own")
    own.python.user_managed_dependencies = True
    own.register(ws)
    (project / "code").mkdir()
    (project / "code/score.py").write_text(SCORE)
    (project / "offset.txt").write_text("100")
    for name in ("blue", "green"):
        (project / f"{name}.yml").write_text(DEPLOYMENT.format(name=name))
    (project / "request.json").write_text('{"data": [1, 2]}')
    yield project
    for one in OnlineEndpoint.list(ws):
        one.delete()


def invoke(endpoint, deployment="", data=b'{"data": [1, 2]}'):
    return json.loads(endpoint.invoke(data, deployment))


def refused(url, headers=None, data=b'{"data": []}'):
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(urllib.request.Request(url, data, headers or {}), timeout=10)
    return answer.value.code


def test_two_deployments_share_an_endpoint(files, ws, capsys):
    assert envbuild(["deploy", "blue.yml", "green.yml", "--json"]) == 0
    assert "instance_type: has no effect" in capsys.readouterr().err
    endpoint = OnlineEndpoint(ws, "my-endpoint")
    assert (endpoint.state, endpoint.values["traffic"]) == ("Healthy", {"blue": 100})
    assert invoke(endpoint) == {"who": "blue", "sum": 103}
    assert invoke(endpoint, "green") == {"who": "green", "sum": 103}
    assert refused(endpoint.scoring_uri) == 401
    assert envbuild(["endpoint", "update", "-n", "my-endpoint", "--traffic", "blue=75 green=25"]) == 0
    assert "blue 75 %, green 25 %" in capsys.readouterr().out
    answers = [invoke(endpoint)["who"] for _ in range(100)]
    assert (answers.count("blue"), answers.count("green")) == (75, 25)
    key = endpoint.credentials()["secondaryKey"]
    slow = b'{"data": [], "sleep": 5}'
    assert refused(endpoint.scoring_uri, {"Authorization": f"Bearer {key}"}, slow) == 500
    assert envbuild(["endpoint", "invoke", "-n", "my-endpoint", "-r", "request.json", "-d", "blue"]) == 0
    assert json.loads(capsys.readouterr().out) == {"who": "blue", "sum": 103}
    assert envbuild(["endpoint", "logs", "-n", "my-endpoint", "-d", "green"]) == 0
    assert "score.py is ready" in capsys.readouterr().out
    assert envbuild(["endpoint", "delete", "-n", "my-endpoint", "-d", "green"]) == 11
    assert envbuild(["endpoint", "update", "-n", "my-endpoint", "--traffic", "blue=90"]) == 3
    assert envbuild(["endpoint", "update", "-n", "my-endpoint", "--traffic", "red=100"]) == 3
    assert envbuild(["endpoint", "show", "-n", "absent"]) == 10


def test_a_deployment_is_replaced_without_a_failed_request(files, ws):
    assert envbuild(["deploy", "blue.yml"]) == 0
    endpoint, ended, seen = OnlineEndpoint(ws, "my-endpoint"), threading.Event(), []

    def ask():
        while not ended.is_set():
            seen.append(invoke(endpoint)["sum"])
        seen.append("no request failed")

    asking = threading.Thread(target=ask)
    asking.start()
    (files / "offset.txt").write_text("1000")
    assert envbuild(["deploy", "blue.yml"]) == 0
    (files / "code/score.py").write_text(
        "def init():\n    raise ValueError('no weights')\n\ndef run(data):\n    return 1\n"
    )
    assert envbuild(["deploy", "blue.yml"]) == 11
    ended.set()
    asking.join()
    assert {*seen} == {103, 1003, "no request failed"}
    assert seen[-2] == 1003
    assert endpoint.values["deployments"]["blue"]["models"] == ["blue:2"]


def test_an_endpoint_with_its_deployments_in_one_file_and_tokens(files, ws, capsys):
    inside = [
        f"- {json.dumps({'name': name, 'model': {'local_path': './offset.txt', 'name': name, 'version': 1}, 'code_configuration': {'code': {'local_path': 'code/'}, 'scoring_script': 'score.py'}, 'environment': 'azureml:own:1', 'environment_variables': {'WHO': name}})}"
        for name in ("blue", "green")
    ]
    text = "name: e\ntype: online\nauth_mode: aml_token\ntraffic: {blue: 0, green: 100}\ndeployments:\n"
    (files / "endpoint.yml").write_text(text + "\n".join(inside))
    assert envbuild(["deploy", "endpoint.yml", "--check"]) == 0
    assert "Endpoint e" in capsys.readouterr().out
    assert envbuild(["deploy", "endpoint.yml"]) == 0
    endpoint = OnlineEndpoint(ws, "e")
    assert invoke(endpoint)["who"] == "green"
    assert set(endpoint.credentials()) == {"accessToken", "expiryTimeUtc"}
    assert refused(endpoint.scoring_uri, {"Authorization": "Bearer nothing"}) == 401
    capsys.readouterr()
    assert envbuild(["endpoint", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["traffic"] == {"blue": 0, "green": 100}
    endpoint.delete()
    assert OnlineEndpoint.list(Workspace.from_config()) == []
    assert not (ws.core.folder / "endpoints/e").exists()


def test_a_key_is_replaced_while_the_endpoint_answers(files, ws, capsys):
    assert envbuild(["deploy", "blue.yml"]) == 0
    endpoint = OnlineEndpoint(ws, "my-endpoint")
    old = endpoint.credentials()
    with pytest.raises(ServiceError, match="printable ASCII"):
        endpoint.change_key("primary", "with a blank")
    capsys.readouterr()
    asked = ["endpoint", "regenerate-keys", "-n", "my-endpoint", "--key-type", "secondary", "--json"]
    assert envbuild(asked) == 0
    new = json.loads(capsys.readouterr().out)
    assert new["primaryKey"] == old["primaryKey"]
    assert new["secondaryKey"] != old["secondaryKey"]
    for key, status in ((old["secondaryKey"], 401), (new["secondaryKey"], 200)):
        assert eventually(endpoint.scoring_uri, key, status)
    assert (
        envbuild(["endpoint", "regenerate-keys", "-n", "my-endpoint", "--key-type", "primary", "--key-value", "mine"])
        == 0
    )
    assert eventually(endpoint.scoring_uri, "mine", 200)
    assert invoke(endpoint)["who"] == "blue"
    endpoint.delete()


def eventually(url, key, status):
    """Ask until the answer has this status; the server reads keys again when they change."""
    for _ in range(200):
        try:
            request = urllib.request.Request(url, b'{"data": []}', {"Authorization": f"Bearer {key}"})
            with urllib.request.urlopen(request, timeout=10) as answer:
                found = answer.status
        except urllib.error.HTTPError as error:
            found = error.code
        if found == status:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.usefixtures("ws")
def test_nothing_is_done_before_every_file_is_read(files, capsys):
    (files / "green.yml").write_text(DEPLOYMENT.format(name="green") + "colour: red\n")
    assert envbuild(["deploy", "blue.yml", "green.yml"]) == 3
    assert "'colour' is not a key of an online deployment" in capsys.readouterr().err
    assert OnlineEndpoint.list(Workspace.from_config()) == []
    (files / "blue.yml").write_text(DEPLOYMENT.format(name="blue").replace("endpoint_name: my-endpoint\n", ""))
    assert envbuild(["deploy", "blue.yml"]) == 3
    assert "endpoint_name: is missing" in capsys.readouterr().err


def test_an_environment_inside_the_file_is_locked_and_installed(ws, project, service_channel, index):
    pip = [f"--index-url {index.url}", "azureml-inference-server-http"]
    conda = {"channels": [service_channel.url], "dependencies": ["python=3.11", "adder", "pip", {"pip": pip}]}
    (project / "conda.yml").write_text(json.dumps(conda))
    (project / "score.py").write_text(
        "import adder\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    return adder.__version__\n"
    )
    deployment = {
        "name": "blue",
        "endpoint_name": "locked",
        "code_configuration": {"code": ".", "scoring_script": "score.py"},
        "environment": {"image": "ubuntu:24.04", "conda_file": "conda.yml"},
    }
    (project / "blue.yml").write_text(json.dumps(deployment))
    assert envbuild(["deploy", "blue.yml"]) == 0
    endpoint = OnlineEndpoint(ws, "locked")
    try:
        assert invoke(endpoint) == "1.0"
        assert endpoint.values["deployments"]["blue"]["environment"].startswith("CliV2AnonymousEnvironment:")
    finally:
        endpoint.delete()

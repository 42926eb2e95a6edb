"""Services as the documents show them, as processes of this machine."""

import json
import urllib.error
import urllib.request

import pytest

from envbuild.azureml.core import Environment, Model, Webservice, Workspace
from envbuild.azureml.core.model import InferenceConfig
from envbuild.azureml.core.webservice import AciWebservice, LocalWebservice
from envbuild.core.errors import DefinitionError, ServiceError, WorkspaceError

SCORE = """
import json, os

def init():
    global offset
    offset = int(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "offset.txt")).read())
    print("the model is loaded")

def run(data):
    return {"sum": sum(json.loads(data)["data"]) + offset}
"""


@pytest.fixture
def model(ws, project):
    (project / "offset.txt").write_text("100")
    return Model.register(workspace=ws, model_path="offset.txt", model_name="offset")


@pytest.fixture
def inference_config(project):
    """A script in an environment that this machine manages: the server runs on the standard library alone."""
    (project / "score.py").write_text(SCORE)
    own = Environment("own")
    own.python.user_managed_dependencies = True
    return InferenceConfig(entry_script="score.py", environment=own)


@pytest.fixture
def deployed(ws):
    yield
    for service in Webservice.list(ws):
        service.delete()


@pytest.mark.usefixtures("deployed")
def test_a_model_is_deployed_asked_reloaded_updated_and_deleted(ws, model, inference_config, project, capsys):
    deployment_config = LocalWebservice.deploy_configuration()
    service = Model.deploy(ws, "myservice", [model], inference_config, deployment_config)
    service.wait_for_deployment(show_output=True)
    assert "myservice" in capsys.readouterr().out
    assert service.state == "running"
    assert (service.auth_enabled, service.token_auth_enabled) == (False, False)
    assert service.run(json.dumps({"data": [1, 2]})) == {"sum": 103}
    request = urllib.request.Request(service.scoring_uri, b'{"data": [1]}', {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer) == {"sum": 101}
    with urllib.request.urlopen(service.swagger_uri, timeout=10) as answer:
        assert json.load(answer)["paths"]["/score"]
    assert "the model is loaded" in service.get_logs()
    assert Webservice.list(ws)[0].serialize()["models"] == ["offset:1"]

    with pytest.raises(ServiceError, match="already"):
        Model.deploy(ws, "myservice", [model], inference_config, deployment_config)

    (project / "score.py").write_text(SCORE.replace('"sum"', '"total"'))
    service.reload(wait=True)
    assert service.run(json.dumps({"data": [1]})) == {"total": 101}

    (project / "offset.txt").write_text("1000")
    port = service.port
    service.update(models=[Model.register(ws, "offset.txt", "offset")])
    service.wait_for_deployment()
    assert service.run(json.dumps({"data": [1]})) == {"total": 1001}
    assert service.port == port

    with pytest.raises(ServiceError, match="500"):
        service.run("not json")
    service.delete()
    assert service.state == "deleted"
    with pytest.raises(WorkspaceError):
        Webservice.of(ws, "myservice")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)


@pytest.mark.usefixtures("deployed")
def test_a_script_whose_init_fails_is_shown_with_its_line(ws, model, inference_config, project):
    (project / "score.py").write_text(
        "def init():\n    raise ValueError('no such model')\n\ndef run(data):\n    return 1\n"
    )
    service = Model.deploy(ws, "broken", [model], inference_config)
    with pytest.raises(ServiceError, match="no such model") as failed:
        service.wait_for_deployment()
    assert "score.py" in str(failed.value)
    assert "line 2" in str(failed.value)
    assert service.state == "failed"


@pytest.mark.usefixtures("deployed")
def test_a_service_whose_process_is_gone_has_failed(ws, model, inference_config):
    import os
    import signal

    service = Model.deploy(ws, "gone", [model], inference_config)
    service.wait_for_deployment()
    os.killpg(service.record.values["service_pid"], signal.SIGKILL)
    import time

    deadline = time.monotonic() + 10
    while service.state == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert service.state == "failed"
    with pytest.raises(ServiceError, match="does not answer"):
        service.run("{}")


@pytest.mark.parametrize("name", ["", "a", "A-b", "1ab", "ab-", "a" * 33, "a b"])
def test_a_name_that_is_none_is_refused(ws, model, inference_config, name):
    with pytest.raises(ServiceError, match="cannot name a service"):
        Model.deploy(ws, name, [model], inference_config)


def test_deployment_configurations_are_checked():
    assert AciWebservice.deploy_configuration(cpu_cores=1, memory_gb=1).cpu_cores == 1
    with pytest.raises(DefinitionError):
        LocalWebservice.deploy_configuration(port=70000)
    with pytest.raises(DefinitionError):
        AciWebservice.deploy_configuration(memory_gb=0)


@pytest.mark.usefixtures("deployed", "model", "inference_config")
def test_the_commands_deploy_ask_update_and_delete(project, capsys):
    from envbuild.cli.main import run as envbuild

    inference = {"entryScript": "score.py", "environment": {"name": "own", "version": "1"}}
    (project / "inferenceconfig.json").write_text(json.dumps(inference))
    (project / "deploymentconfig.json").write_text('{"computeType": "local"}')
    own = Environment("own")
    own.python.user_managed_dependencies = True
    own.register(Workspace.from_config())
    assert (
        envbuild(
            [
                "service",
                "deploy",
                "-n",
                "myservice",
                "-m",
                "offset:1",
                "--ic",
                "inferenceconfig.json",
                "--dc",
                "deploymentconfig.json",
            ]
        )
        == 0
    )
    assert "running" in capsys.readouterr().out
    assert envbuild(["service", "run", "-n", "myservice", "-d", '{"data": [1]}']) == 0
    assert json.loads(capsys.readouterr().out) == {"sum": 101}
    (project / "request.json").write_text('{"data": [2]}')
    assert envbuild(["service", "run", "-n", "myservice", "-d", "@request.json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"sum": 102}
    assert envbuild(["service", "logs", "-n", "myservice"]) == 0
    assert "the model is loaded" in capsys.readouterr().out
    assert envbuild(["service", "update", "-n", "myservice"]) == 0
    assert envbuild(["service", "deploy", "-n", "myservice", "-m", "offset:1", "--ic", "inferenceconfig.json"]) == 11
    capsys.readouterr()
    assert envbuild(["service", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "running"
    assert envbuild(["service", "delete", "-n", "myservice"]) == 0
    assert envbuild(["service", "show", "-n", "myservice"]) == 10
    (project / "deploymentconfig.json").write_text('{"computeType": "mainframe"}')
    assert envbuild(["service", "deploy", "-n", "other", "-m", "offset", "--dc", "deploymentconfig.json"]) == 3


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"computeType": "aci", "containerResourceRequirements": {"cpu": 0.5, "memoryInGB": 1.0}}, ("ACI", 0.5, 1.0)),
        ({"computeType": "AKS", "autoScaler": {"autoscaleEnabled": True, "maxReplicas": 3}}, ("AKS", 0.1, 0.5)),
    ],
)
def test_a_deployment_configuration_is_azures_file(project, content, expected):
    from envbuild.azureml.services.deployment_file import read_deployment
    from envbuild.azureml.services.kinds import kind_for

    (project / "dc.json").write_text(json.dumps(content))
    found = read_deployment(project / "dc.json")
    assert (kind_for(found).compute_type, found.cpu_cores, found.memory_gb) == expected

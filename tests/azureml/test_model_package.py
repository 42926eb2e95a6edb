"""v2's packages of models: what their YAML may say, and images that a deployment runs as they are."""

import json

import pytest

from envbuild.azureml.core import Environment, Model
from envbuild.azureml.endpoints.online import OnlineEndpoint
from envbuild.azureml.packaging.package_yaml import OUR_ROUTES, read_package
from envbuild.cli.main import run as envbuild
from envbuild.core.errors import DefinitionError, ServiceError, WorkspaceError
from tests.azureml.test_own_server import DOCKERFILE, ROUTES, SERVER
from tests.conftest import SHARED

SCORE = """
import os

def init():
    global factor
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "half", "factor.txt")) as file:
        factor = float(file.read())

def run(data):
    return {"half": factor, "who": os.environ["WHO"], "where": os.environ["AZUREML_MODEL_DIR"]}
"""


@pytest.fixture
def files(ws, project):
    (project / "half").mkdir()
    (project / "half/factor.txt").write_text("0.5")
    (project / "src").mkdir()
    (project / "src/score.py").write_text(SCORE)
    Model.register(ws, "half", "halves")
    return project


def package(folder, **content):
    (folder / "package.yml").write_text(json.dumps(content))
    return folder / "package.yml"


ONLINE = {"type": "azureml_online", "code_configuration": {"code": "src", "scoring_script": "score.py"}}


def test_everything_is_read(files):
    read = read_package(
        package(
            files,
            **{"$schema": "http://azureml/sdk-2-0/ModelVersionPackage.json"},
            base_environment_source={"type": "environment_asset", "resource_id": "azureml:env:1"},
            target_environment="azureml:pkg:3",
            inferencing_server=ONLINE,
            model_configuration={"mode": "copy", "mount_path": "/models/"},
            environment_variables={"A": "b"},
            tags={"t": "v"},
        )
    )
    assert (read.target, read.version, read.base, read.server) == ("pkg", "3", "azureml:env:1", "azureml_online")
    assert (read.code, read.scoring_script) == (files / "src", "score.py")
    assert (read.routes, read.mount) == (OUR_ROUTES, "/models")
    assert (read.variables, read.tags, read.notes) == ({"A": "b"}, {"t": "v"}, ())


@pytest.mark.shared
def test_a_real_one_is_read(tmp_path):
    (tmp_path / "package.yml").write_bytes((SHARED / "corpus/azureml/v2/model_package.yml").read_bytes())
    (tmp_path / "src").mkdir()
    (tmp_path / "src/score.py").write_text(SCORE)
    assert read_package(tmp_path / "package.yml").target == "pkg"


@pytest.mark.parametrize(
    ("target", "name", "version"), [("a", "a", None), ({"name": "a"}, "a", None), ("a:2", "a", "2")]
)
def test_the_target_is_a_name_or_a_reference(files, target, name, version):
    read = read_package(package(files, target_environment=target, inferencing_server={}))
    assert (read.target, read.version) == (name, version)


def test_all_problems_are_told_at_once(files):
    wrong = package(
        files,
        base_environment_source={"type": "model"},
        inferencing_server={"type": "azureml_online", "code_configuration": {"code": "src", "scoring_script": "no.py"}},
        model_configuration={"mode": "mount", "mount_path": "models"},
        inputs=[{"type": "uri_file", "path": "x"}],
        environment_variables={"A B": "c"},
        unknown=1,
    )
    with pytest.raises(DefinitionError) as refused:
        read_package(wrong)
    told = "\n".join(map(str, refused.value.problems))
    for part in ("target_environment", "'model' is not known", "resource_id", "no.py does not exist"):
        assert part in told
    for part in (
        "'mount' is not known",
        "'models' is no folder",
        "cannot be brought along",
        "unknown",
        "'A B' is no name",
    ):
        assert part in told
    assert all(one.file == str(wrong) for one in refused.value.problems)


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"type": "azureml_batch"}, "envbuild batch"),
        ({"type": "fast"}, "'fast' is not known"),
        ({"type": "custom", "inference_configuration": {"scoring_route": {"port": 1, "path": "/"}}}, "liveness_route"),
        ({"type": "azureml_online", "inference_configuration": ROUTES}, "type: custom"),
        ({"type": "triton", "code_configuration": ONLINE["code_configuration"]}, "brings its own code"),
    ],
)
def test_a_server_that_cannot_be_is_refused(files, server, said):
    with pytest.raises(DefinitionError, match=said):
        read_package(package(files, target_environment="a", inferencing_server=server))


def test_what_is_not_there_is_told_before_anything_is_built(ws, files, capsys):
    call = [
        "model",
        "package",
        "-n",
        "halves",
        "-f",
        str(package(files, target_environment="a:1", inferencing_server=ONLINE)),
    ]
    assert envbuild(call) == ServiceError.exit_code
    assert "needs an environment" in capsys.readouterr().err
    Environment("a").register(ws)
    assert envbuild(call) == WorkspaceError.exit_code
    assert "a:1 exists already" in capsys.readouterr().err
    call[3] = "doubles"
    assert envbuild(call) == WorkspaceError.exit_code
    (files / "list.yml").write_text("- a\n")
    assert envbuild([*call[:-1], "list.yml"]) == DefinitionError.exit_code
    assert "a map with inferencing_server: is needed" in capsys.readouterr().err


def deployed_answer(ws, folder, environment, question):
    """Return what a deployment answers that says nothing but `environment`."""
    content = {"name": "blue", "endpoint_name": "packed", "environment": f"azureml:{environment}"}
    (folder / "deployment.yml").write_text(json.dumps(content))
    assert envbuild(["deploy", str(folder / "deployment.yml")]) == 0
    endpoint = OnlineEndpoint(ws, "packed")
    try:
        return json.loads(endpoint.invoke(question))
    finally:
        endpoint.delete()


@pytest.mark.engine
def test_a_model_with_another_server_is_an_image_that_needs_nothing_else(ws, files, base_image, on_engine, capsys):
    (files / "context").mkdir()
    (files / "context/server.py").write_text(SERVER)
    (files / "context/Dockerfile").write_text(DOCKERFILE.format(base=base_image.reference))
    (files / "environment.yml").write_text(json.dumps({"name": "half-server", "build": {"path": "context"}}))
    assert envbuild(["environment", "create", "--no-build", "-f", "environment.yml"]) == 0
    server = {"type": "custom", "inference_configuration": ROUTES}
    wanted = package(
        files,
        base_environment_source={"type": "environment_asset", "resource_id": "azureml:half-server:1"},
        target_environment={"name": "packed-half"},
        inferencing_server=server,
        model_configuration={"mode": "download", "mount_path": "/var/models"},
        environment_variables={"WHO": "packed"},
    )
    capsys.readouterr()
    assert envbuild(["model", "package", "-n", "azureml:halves", "-v", "1", "-f", str(wanted), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["environment"], made["model"]) == ("packed-half:1", "halves:1")
    said = deployed_answer(ws, files, "packed-half:1", b'{"instances": [1, 3]}')
    assert said["predictions"] == [0.5, 1.5]
    assert (said["model"], said["who"]) == ("/var/models/halves/1", "packed")


@pytest.mark.engine
def test_a_model_with_our_server_is_an_image_that_needs_nothing_else(ws, files, env, capsys):
    registered = env.register(ws)
    wanted = package(
        files,
        base_environment_source={"type": "environment_asset", "resource_id": f"azureml:myenv:{registered.version}"},
        target_environment="azureml:packed-half:7",
        inferencing_server=ONLINE,
        environment_variables={"WHO": "ours"},
        tags={"made": "here"},
    )
    assert envbuild(["model", "package", "-n", "halves", "-f", str(wanted)]) == 0
    assert capsys.readouterr().out.strip() == "packed-half:7"
    said = deployed_answer(ws, files, "packed-half:7", b"{}")
    assert said == {"half": 0.5, "who": "ours", "where": "/var/azureml-app/azureml-models/halves/1"}

"""What needs a container engine: images of environments, packages, runs and services in containers."""

import json
import os
import time

import pytest

from envbuild import programs
from envbuild.azureml.core import Datastore, Environment, Experiment, Model, ScriptRunConfig, Webservice
from envbuild.azureml.core.model import InferenceConfig
from envbuild.azureml.core.webservice import AciWebservice, LocalWebservice
from envbuild.azureml.endpoints.online import OnlineEndpoint
from envbuild.azureml.profiling.profile import start_profile
from envbuild.azureml.services.asking import AnsweredError, ask
from envbuild.cli.main import run as envbuild
from envbuild.core.errors import ServiceError
from tests.support.ca import Authority
from tests.support.wheel import make_wheel

pytestmark = pytest.mark.engine

SCORE = """
import json, os
import adder

def init():
    global offset
    offset = int(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "offset.txt")).read())

def run(data):
    return {"sum": sum(json.loads(data)["data"]) + offset, "adder": adder.__version__}
"""
DRIVER = """
import os
from pathlib import Path

def init():
    global offset
    offset = int((Path(os.environ["AZUREML_MODEL_DIR"]) / "offset.txt").read_text())

def run(mini_batch):
    return [f"{Path(one).stem} {int(Path(one).read_text()) + offset}" for one in mini_batch]
"""
TRAIN = """
import os, sys
from azureml.core import Run
import adder, my_custom

run = Run.get_context(allow_offline=False)
run.log("version", adder.__version__)
print("data:", open(os.path.join(sys.argv[2], "d.txt")).read())
os.makedirs("outputs", exist_ok=True)
open("outputs/model.pkl", "w").write("model")
print("private", my_custom.answer, os.environ["FROM_ARGUMENT"])
print("registered", run.register_model("inside", "outputs/model.pkl").id)
print("in a container", os.path.exists("/.dockerenv"))
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def inference_config(project, env):
    (project / "offset.txt").write_text("100")
    (project / "score.py").write_text(SCORE)
    return InferenceConfig(entry_script="score.py", environment=env)


@pytest.fixture
def authority(tmp_path):
    (tmp_path / "ca").mkdir()
    return Authority(tmp_path / "ca")


@pytest.fixture
def deployed(ws):
    yield
    for service in Webservice.list(ws):
        service.delete()


def test_an_environment_is_built_pushed_and_found_again(ws, env, registry):
    ws.container_registry = f"{registry}/team"
    build = env.build(workspace=ws)
    build.wait_for_completion(show_output=True)
    assert build.status == "Succeeded", build.get_log()
    details = env.get_image_details(workspace=ws)
    assert details.image_exist
    assert details.image == build.image
    assert details.registry == f"{registry}/team"
    assert details.digest.startswith("sha256:")
    again = env.build(ws).wait_for_completion(show_output=False)
    assert "exists" in again.get_log()


def test_a_package_is_an_image_that_answers(ws, inference_config, on_engine):
    model = Model.register(ws, "offset.txt", "offset")
    package = Model.package(ws, [model], inference_config, image_name="mypackage", image_label="v1")
    package.wait_for_creation(show_output=True)
    package.pull()
    assert package.location == "mypackage:v1"
    with pytest.raises(ServiceError, match="cannot be saved"):
        package.save("there")
    service = Model.deploy(
        ws, "same-package", [model], inference_config, LocalWebservice.deploy_configuration(use_docker=True)
    )
    try:
        service.wait_for_deployment(show_output=True)
        assert service.run(json.dumps({"data": [1, 2]})) == {"sum": 103, "adder": "1.0"}
        assert service.get_logs()
    finally:
        service.delete()
    assert service.state == "deleted"


def test_a_saved_package_builds_with_plain_docker(ws, inference_config, on_engine, ca_bundle):
    model = Model.register(ws, "offset.txt", "offset")
    package = Model.package(ws, [model], inference_config, generate_dockerfile=True)
    package.wait_for_creation()
    package.save("./imagefiles")
    done = programs.run(
        [
            "docker",
            "build",
            "--network",
            "host",
            "--secret",
            f"id=ca,src={ca_bundle}",
            "--tag",
            "myimage",
            "imagefiles",
        ],
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
        check=False,
    )
    assert done.code == 0, done.stderr[-3000:]


@pytest.mark.usefixtures("deployed")
def test_a_service_in_a_container_has_limits_keys_and_tls(ws, inference_config, authority):
    model = Model.register(ws, "offset.txt", "offset")
    cert, key = authority.issue("DNS:models.example")
    deployment_config = AciWebservice.deploy_configuration(
        cpu_cores=1,
        memory_gb=1,
        auth_enabled=True,
        enable_app_insights=True,
        ssl_cert_pem_file=str(cert),
        ssl_key_pem_file=str(key),
        ssl_cname="models.example",
    )
    service = Model.deploy(
        workspace=ws,
        name="my_web_service",
        models=[model],
        inference_config=inference_config,
        deployment_config=deployment_config,
    )
    service.wait_for_deployment(show_output=True)
    assert (service.state, service.auth_enabled, service.compute_type) == ("Healthy", True, "ACI")
    assert service.scoring_uri == f"https://models.example:{service.port}/score"
    assert service.run(json.dumps({"data": [1]}))["sum"] == 101
    trust = service.secrets.certificate
    with pytest.raises(AnsweredError) as refused:
        ask(service.port, "/score", b"{}", trust=trust)
    assert refused.value.status == 401
    service.regen_key("Primary")  # the container sees the new file, and looks at it every second
    time.sleep(1.5)
    assert service.run(json.dumps({"data": [1]}))["sum"] == 101
    (recorded,) = service.record.folder.glob("data/files/requests.jsonl")
    assert len(recorded.read_text().splitlines()) == 3
    inspected = json.loads(programs.run(["docker", "inspect", service.record.values["container"]]).stdout)[0]
    assert inspected["HostConfig"]["Memory"] == 1024**3
    assert inspected["Config"]["Labels"]["envbuild.models"] == "offset:1"


def test_a_run_in_a_container_keeps_what_it_makes(ws, env, project):
    (project / "train.py").write_text(TRAIN)
    env.docker.enabled = True
    env.docker.arguments = ["--env", "FROM_ARGUMENT=argument"]
    wheel = project / "my_custom-1.0-py3-none-any.whl"
    wheel.write_bytes(make_wheel("my-custom", "1.0", files={"my_custom.py": "answer = 42\n"}))
    env.python.conda_dependencies.add_pip_package(Environment.add_private_pip_wheel(ws, wheel))
    wheel.unlink()
    (project / "d.txt").write_text("read in the container")
    data = Datastore.get_default(ws).upload_files(["d.txt"], target_path="d")
    run = Experiment(ws, "docker").submit(ScriptRunConfig(script="train.py", arguments=["0", data], environment=env))
    details = run.wait_for_completion(show_output=True)
    assert (details["target"], details["exit_code"]) == ("docker", 0)
    assert run.get_metrics() == {"version": "1.0"}
    assert "outputs/model.pkl" in run.get_file_names()
    said = run.get_all_logs()
    assert "in a container True" in said
    assert "data: read in the container" in said
    assert "registered inside:1" in said
    assert "private 42 argument" in said
    assert run.register_model("m", "outputs/model.pkl").version == 1
    failed = Experiment(ws, "docker").submit(
        ScriptRunConfig(script="train.py", arguments=["7", data], environment=env, compute_target="docker")
    )
    assert failed.wait_for_completion(raise_on_error=False)["exit_code"] == 7
    assert Environment.get(ws, "myenv").version == "1"


def test_a_deployment_is_profiled_served_and_scores_files_in_containers(ws, inference_config, project, capsys):
    """v2's verbs with limits that are cgroups."""
    model = Model.register(ws, "offset.txt", "offset")
    env = inference_config.environment.register(ws)
    (project / "code").mkdir()
    (project / "code/score.py").write_text(SCORE)
    (project / "code/driver.py").write_text(DRIVER)
    shared = {"model": "azureml:offset:1", "environment": f"azureml:{env.name}:{env.version}"}
    online = {
        "name": "blue",
        "endpoint_name": "e",
        "code_configuration": {"code": "code", "scoring_script": "score.py"},
    }
    limits = {"resources": {"limits": {"cpu": "0.5", "memory": "256Mi"}}}
    (project / "blue.yml").write_text(json.dumps({**shared, **online, **limits}))
    batch = {"name": "b", "code_configuration": {"code": "code", "scoring_script": "driver.py"}, "mini_batch_size": 1}
    (project / "batch.yml").write_text(json.dumps({**shared, **batch}))
    (project / "data").mkdir()
    for number in range(2):
        (project / f"data/{number}.txt").write_text(str(number))

    profile = start_profile(
        ws, "first", [model], inference_config, [b'{"data": [1]}'], cpu=0.25, memory=0.25, engine="docker", requests=5
    )
    profile.wait_for_completion(show_output=True)
    details = profile.get_details()
    assert (details["successRate"], details["recommendedMemoryInGB"]) in {(100.0, 0.1), (100.0, 0.25)}
    assert 0 < details["maxUtilizedMemoryInGB"] < 0.25

    capsys.readouterr()
    assert envbuild(["deploy", "blue.yml", "--engine", "docker"]) == 0
    endpoint = OnlineEndpoint(ws, "e")
    try:
        assert json.loads(endpoint.invoke(b'{"data": [1]}'))["sum"] == 101
        container = endpoint.values["deployments"]["blue"]["container"]
        inspected = json.loads(programs.run(["docker", "inspect", container]).stdout)[0]["HostConfig"]
        assert (inspected["Memory"], inspected["NanoCpus"]) == (256 * 1024**2, 5 * 10**8)
        assert "score.py is ready" in endpoint.logs("blue")
    finally:
        endpoint.delete()
    assert programs.run(["docker", "inspect", container], check=False).code != 0

    assert envbuild(["batch", "run", "batch.yml", "-i", "data", "-o", "out", "--engine", "docker"]) == 0
    assert (project / "out/predictions.csv").read_text() == "0 100\n1 101\n"
    assert not programs.run(["docker", "ps", "-q", "--filter", "name=envbuild-batch"]).stdout

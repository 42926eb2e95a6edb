"""v2's YAML of endpoints and deployments, as values."""

import pytest

from envbuild.azureml.endpoints.deployment_yaml import read_deployments
from envbuild.azureml.endpoints.values import BatchDeployment, Endpoint, OnlineDeployment
from envbuild.core.errors import DefinitionError

BLUE = """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: blue
endpoint_name: my-endpoint
model:
  path: ../model/
code_configuration: {code: onlinescoring, scoring_script: score.py}
environment:
  conda_file: conda.yml
  image: ubuntu:22.04
environment_variables: {WORKER_COUNT: 2}
request_settings: {request_timeout_ms: 3000, max_queue_wait_ms: 10}
liveness_probe: {initial_delay: 600, period: 60, failure_threshold: 30, timeout: 1, success_threshold: 1}
resources: {limits: {cpu: 500m, memory: 200Mi}}
instance_type: Standard_DS3_v2
instance_count: 3
"""
BATCH = """
$schema: https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json
name: dp
endpoint_name: ep
type: model
model: azureml:m@latest
code_configuration: {code: code, scoring_script: driver.py}
environment: azureml:e:1
resources: {instance_count: 2}
settings:
  max_concurrency_per_instance: 2
  mini_batch_size: 5
  output_action: summary_only
  retry_settings: {max_retries: 1, timeout: 300}
  error_threshold: 4
  environment_variables: {A: b}
"""


def read(tmp_path, text):
    path = tmp_path / "deployment.yml"
    path.write_text(text)
    return read_deployments(path)


def test_an_online_deployment(tmp_path):
    found = read(tmp_path, BLUE)
    assert isinstance(found, OnlineDeployment)
    assert (found.name, found.endpoint, found.instances) == ("blue", "my-endpoint", 3)
    assert found.model.path == tmp_path / "../model/"
    assert (found.code, found.scoring_script) == (tmp_path / "onlinescoring", "score.py")
    assert found.environment.place == "environment"
    assert (found.timeout_ms, found.start_limit, found.variables) == (3000, 2400.0, {"WORKER_COUNT": "2"})
    assert (found.cpus, found.memory_gb) == (0.5, 200 / 1024)
    assert {note.key for note in found.notes} == {"instance_type", "request_settings.max_queue_wait_ms"}


def test_a_batch_deployment_of_either_age(tmp_path):
    new = read(tmp_path, BATCH)
    old = read(
        tmp_path, BATCH.replace("settings:\n", "", 1).replace("\n  ", "\n").replace("environment_variables: {A: b}", "")
    )
    assert isinstance(new, BatchDeployment)
    assert (new.mini_batch_size, new.workers, new.append_rows) == (5, 4, False)
    assert (new.retries, new.timeout, new.error_threshold) == (1, 300.0, 4)
    assert (new.model.reference, new.environment.reference, new.variables) == (
        "azureml:m@latest",
        "azureml:e:1",
        {"A": "b"},
    )
    assert (old.mini_batch_size, old.workers, old.retries) == (5, 4, 1)


def test_an_endpoint_with_deployments_inside(tmp_path):
    inside = "\n".join(
        f"  {line}" for line in BLUE.splitlines() if line and "schema" not in line and "endpoint" not in line
    )
    found = read(tmp_path, f"name: my-endpoint\nauth_mode: Key\ntraffic: {{blue: 100}}\ndeployments:\n-{inside[1:]}\n")
    assert isinstance(found, Endpoint)
    assert (found.auth_mode, found.traffic, found.deployments[0].name) == ("key", {"blue": 100}, "blue")
    assert found.deployments[0].environment.place == "deployments[0].environment"


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        (BLUE + "colour: red\n", "colour", "is not a key"),
        (BLUE.replace("name: blue", "name: <NAME>"), "name", "cannot name it"),
        (BLUE.replace("instance_count: 3", "instance_count: many"), "instance_count", "whole number"),
        (BLUE.replace("score.py", "plumber.R"), "code_configuration.scoring_script", "not Python"),
        (BLUE.replace("3000", "-1"), "request_settings.request_timeout_ms", "1 or more"),
        (BLUE.replace("200Mi", "much"), "resources.limits", "is not understood"),
        (BATCH.replace("summary_only", "email"), "settings.output_action", "is not known"),
        (BATCH.replace("type: model", "type: pipeline"), "type", "is pipeline"),
        ("name: e\nauth_mode: none\n", "auth_mode", "is not known"),
        ("name: e\nauth_mode: key\ntraffic: {a: 90}\n", "traffic", "adds up to 90"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, text, key, problem):
    with pytest.raises(DefinitionError, match=problem) as refused:
        read(tmp_path, text)
    assert [one.key for one in refused.value.problems] == [key]
    assert refused.value.problems[0].line


OWN = """
name: own
endpoint_name: e
model: {path: ../model/, type: triton_model}
model_mount_path: /var/models
environment:
  image: triton:1
  inference_config:
    liveness_route: {port: 8000, path: /v2/health/live}
    readiness_route: {port: 8000, path: /v2/health/ready}
    scoring_route: {port: 8000, path: /}
"""
WITHOUT = OWN[: OWN.index("environment:")]


@pytest.mark.parametrize(
    "text",
    [
        OWN,
        f"{WITHOUT}environment: azureml:triton:1\n",
        WITHOUT.replace("{path: ../model/, type: triton_model}", "azureml:flowers@latest"),
    ],
)
def test_an_image_with_its_own_server_or_a_registered_model_needs_no_script(tmp_path, text):
    found = read(tmp_path, text)
    assert (found.code, found.model_mount_path) == (None, "/var/models")


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        (WITHOUT, "model", "no image with that server is named"),
        (WITHOUT.replace("triton_model", "custom_model"), "", "nothing says how to score"),
        (OWN[: OWN.index("  inference_config")], "model", "no image with that server is named"),
        (
            OWN.replace("port: 8000, path: /v2/health/ready", "path: /"),
            "environment.inference_config.readiness_route",
            "has no port",
        ),
        (OWN[: OWN.index("    scoring_route")], "environment.inference_config", "has no scoring_route:"),
        (OWN.replace("/var/models", "models"), "model_mount_path", "no folder of a container"),
        (OWN.replace("/var/models", "/var:ro"), "model_mount_path", "no folder of a container"),
        (OWN.replace("triton_model", "model"), "model.type", "custom_model, mlflow_model, triton_model"),
        (
            BATCH.replace("code_configuration: {code: code, scoring_script: driver.py}", "model: {path: m}").replace(
                "model: azureml:m@latest\n", ""
            ),
            "",
            "nothing says how to score",
        ),
    ],
)
def test_what_an_own_server_lacks_is_named(tmp_path, text, key, problem):
    with pytest.raises(DefinitionError, match=problem) as refused:
        read(tmp_path, text)
    assert [one.key for one in refused.value.problems] == [key]


@pytest.mark.parametrize("text", ["- a\n", "command: ls\n", "a: 1\n", "jobs: {}\n"])
def test_what_is_something_else_is_said(tmp_path, text):
    with pytest.raises(DefinitionError, match="neither an endpoint nor a deployment"):
        read(tmp_path, text)


def test_all_problems_are_said_at_once(tmp_path):
    with pytest.raises(DefinitionError) as refused:
        read(tmp_path, "endpoint_name: 1\nmodel: {type: triton_model}\ncolour: red\n")
    assert len(refused.value.problems) >= 5

"""The Kubernetes objects of a service, held against the published schemas, and what kubectl and the client are asked."""

import json
import os
from dataclasses import asdict

import pytest
import yaml

from envbuild.azureml.records import Record
from envbuild.azureml.services.aks import AksWebservice, apply, remove
from envbuild.azureml.services.cluster import rollout_state
from envbuild.azureml.services.deploying import keep
from envbuild.azureml.services.deployment_configs import AksServiceDeploymentConfiguration
from envbuild.azureml.services.kubernetes import manifests
from envbuild.core.errors import DefinitionError, ServiceError
from envbuild.core.progress import SILENT

IMAGE = "registry.example/team/image"


def kinds(objects):
    return {one["kind"]: one for one in objects}


def test_a_closed_service_has_all_its_objects():
    config = AksServiceDeploymentConfiguration(cpu_cores=0.5, memory_gb=1.5, autoscale_max_replicas=4, namespace="ml")
    objects = manifests("my_service", IMAGE, config, {"keys": "one\ntwo"})
    assert [one["kind"] for one in objects] == ["Secret", "Deployment", "Service", "HorizontalPodAutoscaler"]
    assert {one["metadata"]["name"] for one in objects} == {"my-service"}
    assert {one["metadata"]["namespace"] for one in objects} == {"ml"}
    found = kinds(objects)
    pod = found["Deployment"]["spec"]["template"]
    container = pod["spec"]["containers"][0]
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "1536Mi"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/", "port": 5001}
    env = {one["name"]: one["value"] for one in container["env"]}
    assert env["ENVBUILD_AUTH_KEYS_FILE"] == f"{container['volumeMounts'][0]['mountPath']}/keys"
    assert env["SERVICE_NAME"] == "my_service"
    assert pod["spec"]["volumes"][0]["secret"]["secretName"] == "my-service"
    assert (
        pod["metadata"]["labels"]
        == found["Deployment"]["spec"]["selector"]["matchLabels"]
        == found["Service"]["spec"]["selector"]
    )
    assert found["HorizontalPodAutoscaler"]["spec"]["maxReplicas"] == 4
    assert found["Secret"]["stringData"]["keys"] == "one\ntwo"


def test_an_open_service_with_a_fixed_number_has_neither_secret_nor_autoscaler():
    config = AksServiceDeploymentConfiguration(auth_enabled=False, num_replicas=3, gpu_cores=1)
    found = kinds(manifests("s", IMAGE, config))
    assert sorted(found) == ["Deployment", "Service"]
    assert found["Deployment"]["spec"]["replicas"] == 3
    container = found["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert not {one["name"] for one in container["env"]} & {"ENVBUILD_AUTH_KEYS_FILE", "ENVBUILD_TOKEN_SECRET_FILE"}
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


@pytest.mark.parametrize(
    "settings",
    [
        {"cpu_cores": 0},
        {"autoscale_min_replicas": 5, "autoscale_max_replicas": 2},
        {"num_replicas": 0},
        {"namespace": "-x"},
        {"auth_enabled": True, "token_auth_enabled": True},
        {"token_auth_enabled": True, "primary_key": "x"},
        {"cpu_cores": 2, "cpu_cores_limit": 1},
        {"ssl_enabled": True},
    ],
)
def test_numbers_out_of_range_are_refused(settings):
    with pytest.raises(DefinitionError):
        AksWebservice.deploy_configuration(**settings)


def test_an_unknown_setting_is_refused():
    with pytest.raises(TypeError):
        AksWebservice.deploy_configuration(nonsense=1)


CERT = {"cert.pem": "CERT", "key.pem": "KEY"}
CONFIGS = {
    "keys": (AksServiceDeploymentConfiguration(tags={"a": "b"}, description="d"), {"keys": "one\ntwo"}),
    "tokens": (AksServiceDeploymentConfiguration(token_auth_enabled=True), {"token-secret": "s"}),
    "tls": (AksServiceDeploymentConfiguration(auth_enabled=False), CERT),
    "all": (AksServiceDeploymentConfiguration(num_replicas=2, gpu_cores=1, cpu_cores_limit=2), {"keys": "k", **CERT}),
    "open": (AksServiceDeploymentConfiguration(auth_enabled=False, autoscale_enabled=False), {}),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_objects_fit_the_published_schemas_strictly(name):
    validate = pytest.importorskip("kubernetes_validate")
    config, files = CONFIGS[name]
    for one in manifests("my_service", IMAGE, config, files):
        validate.validate(one, validate.latest_version(), strict=True)


def test_the_schemas_would_notice():
    validate = pytest.importorskip("kubernetes_validate")
    one = manifests("s", IMAGE, *CONFIGS["open"])[0]
    one["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(validate.ValidationError):
        validate.validate(one, validate.latest_version(), strict=True)


def test_a_certificate_makes_https_of_probes_and_service_and_a_new_one_new_pods():
    found = kinds(manifests("s", IMAGE, AksServiceDeploymentConfiguration(auth_enabled=False), CERT))
    template = found["Deployment"]["spec"]["template"]
    container = template["spec"]["containers"][0]
    assert (
        container["livenessProbe"]["httpGet"]["scheme"] == container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    )
    assert found["Service"]["spec"]["ports"][0]["port"] == 443
    other = kinds(
        manifests("s", IMAGE, AksServiceDeploymentConfiguration(auth_enabled=False), {**CERT, "cert.pem": "2"})
    )
    assert other["Deployment"]["spec"]["template"]["metadata"] != template["metadata"]


def pod(**status):
    return {"metadata": {"name": "p"}, "status": status}


WAITING = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 3}}}
NO_ROOM = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes: Insufficient cpu.",
}
READY = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


@pytest.mark.parametrize(
    ("status", "pods", "state", "why"),
    [
        (READY, [], "Healthy", ""),
        ({**READY, "availableReplicas": 1}, [], "Healthy", ""),
        ({**READY, "observedGeneration": 1}, [], "Transitioning", "2 of 2"),
        ({**READY, "replicas": 3}, [], "Transitioning", ""),
        ({**READY, "updatedReplicas": 1, "replicas": 3}, [pod(containerStatuses=[WAITING])], "Failed", "code 3"),
        ({}, [pod(conditions=[NO_ROOM])], "Unschedulable", "Insufficient cpu"),
        ({}, [pod(conditions=[NO_ROOM]), pod(containerStatuses=[WAITING])], "Failed", "CrashLoopBackOff"),
        ({}, [], "Transitioning", "0 of 2"),
        ({"conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}, [], "Unhealthy", "in time"),
        (None, [], "Failed", "no such deployment"),
    ],
)  # fmt: skip
def test_what_the_cluster_says_is_told_in_azures_states(status, pods, state, why):
    deployment = None if status is None else {"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status}
    found = rollout_state(deployment, pods)
    assert found[0] == state
    assert why in found[1]


@pytest.fixture
def record(ws):
    made = Record(ws.core, "service", "svc")
    made.folder.mkdir(parents=True)
    config = AksServiceDeploymentConfiguration()
    keep(made, config)
    made.change(status="Transitioning", compute_type="AKS", auth_enabled=True, deployment=asdict(config))
    return made


def test_without_a_cluster_the_manifests_are_written_and_nothing_is_claimed(ws, record, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    said = apply(record, IMAGE, AksServiceDeploymentConfiguration(), SILENT)
    record.change(**said)
    service = AksWebservice(ws, "svc")
    assert service.state == "Unschedulable"
    with pytest.raises(ServiceError, match="is Unschedulable: not applied"):
        service.wait_for_deployment()
    assert service.manifests.stat().st_mode & 0o777 == 0o600
    objects = list(yaml.safe_load_all(service.manifests.read_text()))
    files = {"keys": "\n".join(service.get_keys())}
    assert objects == manifests("svc", IMAGE, AksServiceDeploymentConfiguration(), files)
    assert service.scoring_uri == "http://svc.default.svc/score"
    assert not set(service.get_keys()) & set(str(service.serialize()).replace("'", " ").split())
    service.regen_key("Primary", "mine")
    assert yaml.safe_load(service.manifests.read_text().split("---")[0])["stringData"]["keys"].startswith("mine\n")
    service.delete()


HEALTHY = {"metadata": {"generation": 1}, "spec": {"replicas": 2}, "status": READY}


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """A recording kubectl: it notes its arguments and what it reads, and answers and fails as its files say."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "kubectl"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/asked\n'
        f'case "$1" in apply|delete) cat >> {folder}/read;; esac\n'
        f'case "$1 $2" in "get deployment") cat {folder}/answer;; "get pods") cat {folder}/pods;; esac\n'
        f"if [ -f {folder}/refuses ]; then cat {folder}/refuses >&2; exit 1; fi\nexit 0\n"
    )
    program.chmod(0o755)
    (folder / "answer").write_text(json.dumps(HEALTHY))
    (folder / "pods").write_text('{"items": []}')
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    return folder


def test_kubectl_applies_waits_looks_and_deletes(ws, record, kubectl):
    record.change(**apply(record, IMAGE, AksServiceDeploymentConfiguration(), SILENT))
    service = AksWebservice(ws, "svc")
    assert service.state == "Healthy"
    assert list(yaml.safe_load_all((kubectl / "read").read_text())) == list(
        yaml.safe_load_all(service.manifests.read_text())
    )
    (kubectl / "answer").write_text("")
    (kubectl / "pods").write_text(json.dumps({"items": [pod(containerStatuses=[WAITING])]}))
    assert service.state == "Failed"
    remove(record)
    look = ["get deployment svc -n default --ignore-not-found -o json",
            "get pods -l app.kubernetes.io/name=svc -n default -o json"]  # fmt: skip
    assert (kubectl / "asked").read_text().splitlines() == [
        "apply --server-side --field-manager=envbuild --force-conflicts -f -",
        *look * 3,
        "delete --ignore-not-found -f -",
    ]


def test_a_rollout_that_fails_shows_what_the_script_said(record, kubectl):
    (kubectl / "answer").write_text(json.dumps({**HEALTHY, "status": {}}))
    (kubectl / "pods").write_text(json.dumps({"items": [pod(containerStatuses=[WAITING])]}))
    found = apply(record, IMAGE, AksServiceDeploymentConfiguration(), SILENT)
    assert found["status"] == "Failed"
    assert "CrashLoopBackOff, it ended with code 3" in found["error"]
    assert "logs -l app.kubernetes.io/name=svc" in (kubectl / "asked").read_text()


def test_what_kubectl_refuses_is_said(record, kubectl):
    (kubectl / "refuses").write_text("the server is down")
    with pytest.raises(ServiceError, match="the server is down"):
        apply(record, IMAGE, AksServiceDeploymentConfiguration(), SILENT)

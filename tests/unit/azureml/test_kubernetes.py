"""The Kubernetes objects of a service, and what kubectl is asked."""

import json
import os

import pytest
import yaml

from envbuild.azureml.aks import AksWebservice, apply, remove
from envbuild.azureml.kubernetes import AksServiceDeploymentConfiguration, manifests
from envbuild.azureml.records import Record
from envbuild.azureml.services import write_keys
from envbuild.core.errors import DefinitionError, ServiceError
from envbuild.core.progress import SILENT

IMAGE = "registry.example/team/image"


def kinds(objects):
    return {one["kind"]: one for one in objects}


def test_a_closed_service_has_all_its_objects():
    config = AksServiceDeploymentConfiguration(cpu_cores=0.5, memory_gb=1.5, autoscale_max_replicas=4, namespace="ml")
    objects = manifests("my_service", IMAGE, config, ["one", "two"])
    assert [one["kind"] for one in objects] == ["Secret", "Deployment", "Service", "HorizontalPodAutoscaler"]
    assert {one["metadata"]["name"] for one in objects} == {"my-service"}
    assert {one["metadata"]["namespace"] for one in objects} == {"ml"}
    found = kinds(objects)
    pod = found["Deployment"]["spec"]["template"]
    container = pod["spec"]["containers"][0]
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "1536Mi"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/", "port": 5001}
    assert container["env"][0]["value"].startswith(container["volumeMounts"][0]["mountPath"])
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
    assert "env" not in container
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"cpu_cores": 0},
        {"autoscale_min_replicas": 5, "autoscale_max_replicas": 2},
        {"num_replicas": 0},
        {"namespace": "-x"},
    ],
)
def test_numbers_out_of_range_are_refused(settings):
    with pytest.raises(DefinitionError):
        AksWebservice.deploy_configuration(**settings)


def test_an_unknown_setting_is_refused():
    with pytest.raises(TypeError):
        AksWebservice.deploy_configuration(nonsense=1)


@pytest.fixture
def record(ws):
    made = Record(ws.core, "service", "svc")
    made.folder.mkdir(parents=True)
    write_keys(made)
    made.change(status="Transitioning", compute_type="AKS")
    return made


def test_without_kubectl_the_manifests_are_written_and_nothing_is_claimed(ws, record, monkeypatch):
    monkeypatch.setenv("PATH", "")
    said = apply(record, IMAGE, AksServiceDeploymentConfiguration(), SILENT)
    record.change(**said)
    service = AksWebservice(ws, "svc")
    assert service.state == "Unschedulable"
    assert service.manifests.stat().st_mode & 0o777 == 0o600
    objects = list(yaml.safe_load_all(service.manifests.read_text()))
    assert objects == manifests("svc", IMAGE, AksServiceDeploymentConfiguration(), service.get_keys())
    assert service.scoring_uri == "http://svc.default.svc/score"
    service.delete()


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """A recording kubectl: it notes its arguments, and answers and fails as its files say."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "kubectl"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/asked\n[ "$1" = get ] && cat {folder}/answer\n'
        f"if [ -f {folder}/refuses ]; then cat {folder}/refuses >&2; exit 1; fi\nexit 0\n"
    )
    program.chmod(0o755)
    (folder / "answer").write_text(json.dumps({"spec": {"replicas": 2}, "status": {"readyReplicas": 2}}))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_kubectl_applies_waits_looks_and_deletes(ws, record, kubectl):
    record.change(**apply(record, IMAGE, AksServiceDeploymentConfiguration(), SILENT))
    service = AksWebservice(ws, "svc")
    assert service.state == "Healthy"
    (kubectl / "answer").write_text(json.dumps({"spec": {"replicas": 2}, "status": {}}))
    assert service.state == "Unhealthy"
    remove(record)
    path = record.folder / "manifests.yml"
    assert (kubectl / "asked").read_text().splitlines() == [
        f"apply -f {path}",
        "rollout status deployment/svc -n default --timeout=300s",
        *["get deployment svc -n default -o json"] * 2,
        f"delete --ignore-not-found -f {path}",
    ]


def test_what_kubectl_refuses_is_said(record, kubectl):
    (kubectl / "refuses").write_text("the server is down")
    with pytest.raises(ServiceError, match="the server is down"):
        apply(record, IMAGE, AksServiceDeploymentConfiguration(), SILENT)

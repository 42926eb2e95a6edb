"""What the `kubernetes` client asks, recorded by an API server of our own on loopback. No cluster was used."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

pytest.importorskip("kubernetes")

from envbuild.azureml.services.aks import AksWebservice, apply, remove
from envbuild.azureml.services.cluster import find_cluster
from envbuild.azureml.services.deployment_configs import AksServiceDeploymentConfiguration
from envbuild.azureml.services.kubernetes import manifests
from envbuild.core.errors import ServiceError
from envbuild.core.progress import SILENT
from tests.unit.azureml.services.test_kubernetes import HEALTHY, IMAGE, NO_ROOM, WAITING, record  # noqa: F401 - a fixture

NAMESPACE = "/api/v1/namespaces/default"
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/svc"


def deployment(**status):
    """A Deployment as a cluster returns it: the client checks answers against its models."""
    found = manifests("svc", IMAGE, AksServiceDeploymentConfiguration(auth_enabled=False))[0]
    return {**found, **HEALTHY, "spec": {**found["spec"], **HEALTHY["spec"]}, "status": status or HEALTHY["status"]}


def pod(**status):
    started = [
        {"image": IMAGE, "imageID": "", "name": "service", "ready": False, "restartCount": 1, **one}
        for one in status.get("containerStatuses", [])
    ]
    containers = {"containers": [{"name": "service", "image": IMAGE}]}
    found = {**status, "containerStatuses": started} if started else status
    return {"metadata": {"name": "p"}, "spec": containers, "status": found}


class Api(BaseHTTPRequestHandler):
    """Takes what is applied, and answers as the test says."""

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        url = urlsplit(self.path)
        body = self.rfile.read(length)
        self.server.asked.append((self.command, url.path, parse_qs(url.query), self.headers.get("Content-Type"), body))
        self.server.tokens.add(self.headers.get("Authorization"))
        status, content = self.server.answers.get((self.command, url.path), (200, json.loads(body or b"{}")))
        data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(content, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PATCH = do_DELETE = answer  # noqa: N815 - the names that http.server calls

    def log_message(self, *_):
        pass


@pytest.fixture
def api(tmp_path, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.asked, server.answers, server.tokens = [], {}, set()
    server.answers["GET", DEPLOYMENT] = (200, deployment())
    server.answers["GET", f"{NAMESPACE}/pods"] = (200, {"kind": "PodList", "apiVersion": "v1", "items": []})
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}],
        "users": [{"name": "me", "user": {"token": "a-token"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setenv("PATH", "")
    yield server
    server.shutdown()
    server.server_close()


def test_a_service_is_applied_looked_at_and_deleted(ws, record, api):  # noqa: F811
    found = apply(record, IMAGE, AksServiceDeploymentConfiguration(), SILENT)
    record.change(**found)
    assert found["status"] == "Healthy"
    service = AksWebservice(ws, "svc")
    assert service.state == "Healthy"
    applied = [one for one in api.asked if one[0] == "PATCH"]
    assert [path for _, path, _, _, _ in applied] == [
        f"{NAMESPACE}/secrets/svc",
        DEPLOYMENT,
        f"{NAMESPACE}/services/svc",
        "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/svc",
    ]
    wanted = manifests("svc", IMAGE, AksServiceDeploymentConfiguration(), service.secrets.files())
    assert [yaml.safe_load(body) for *_, body in applied] == wanted
    for _, _, query, kind, _ in applied:
        assert (kind, query["fieldManager"], query["force"]) == ("application/apply-patch+yaml", ["envbuild"], ["true"])
    listed = next(one for one in api.asked if one[1] == f"{NAMESPACE}/pods")
    assert listed[2]["labelSelector"] == ["app.kubernetes.io/name=svc"]
    assert api.tokens == {"Bearer a-token"}
    api.asked.clear()
    service.regen_key("Primary", "other")
    assert [(one[0], one[1]) for one in api.asked] == [("PATCH", f"{NAMESPACE}/secrets/svc")]
    assert yaml.safe_load(api.asked[0][4])["stringData"]["keys"].startswith("other\n")
    api.asked.clear()
    api.answers["DELETE", DEPLOYMENT] = (404, {"kind": "Status", "message": "not found"})
    remove(record)
    assert [(one[0], one[1].rsplit("/", 2)[-2]) for one in api.asked] == [
        ("DELETE", kind) for kind in ("horizontalpodautoscalers", "services", "deployments", "secrets")
    ]


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("envbuild.azureml.services.aks.ROLLOUT_LIMIT_S", 0.0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("status", "state"), [({"containerStatuses": [WAITING]}, "Failed"), ({"conditions": [NO_ROOM]}, "Unschedulable")]
)
def test_pods_that_do_not_run_are_told_with_what_they_said(ws, record, api, status, state):  # noqa: F811
    api.answers["GET", DEPLOYMENT] = (200, deployment(replicas=1))
    pods = [pod(**status)]
    api.answers["GET", f"{NAMESPACE}/pods"] = (200, {"kind": "PodList", "apiVersion": "v1", "items": pods})
    api.answers["GET", f"{NAMESPACE}/pods/p/log"] = (200, 'File "score.py", line 2\nValueError: no such model')
    found = apply(record, IMAGE, AksServiceDeploymentConfiguration(), SILENT)
    record.change(**found)
    assert found["status"] == state
    assert ("no such model" in found["error"]) == (state == "Failed")
    service = AksWebservice(ws, "svc")
    assert service.state == state
    assert "line 2" in service.get_logs()


def test_what_the_cluster_refuses_is_said_with_its_words(record, api):  # noqa: F811
    api.answers["PATCH", DEPLOYMENT] = (403, {"kind": "Status", "message": "deployments is forbidden"})
    with pytest.raises(ServiceError, match="would not apply Deployment svc: deployments is forbidden"):
        apply(record, IMAGE, AksServiceDeploymentConfiguration(), SILENT)


def test_a_cluster_that_is_gone_is_said(record, api):  # noqa: F811
    api.shutdown()
    api.server_close()
    with pytest.raises(ServiceError, match="cannot be asked"):
        find_cluster().deployment("svc", "default")


def test_a_kubeconfig_that_is_none_is_said(tmp_path, monkeypatch):
    (tmp_path / "kubeconfig").write_text("apiVersion: v1\nkind: Config\n")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    with pytest.raises(ServiceError, match="kubeconfig cannot be used"):
        find_cluster()

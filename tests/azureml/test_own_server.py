"""v2 deployments whose image brings its own server, in containers behind the router."""

import json
import urllib.request

import pytest

from envbuild import programs
from envbuild.azureml.core import Environment, Model
from envbuild.azureml.endpoints.online import OnlineEndpoint
from envbuild.cli.main import run as envbuild
from envbuild.core.errors import ServiceError, WorkspaceError

SERVER = """
import json, os, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

if os.environ.get("FAIL"):
    sys.exit("no weights")

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        ready = (self.server.server_port, self.path) == (9001, "/ready")
        known = ready or self.path == "/v1/models/half"
        self.answer(200 if known else 404, {"path": self.path})

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.partition("?")[0] != "/v1/models/half:predict":
            return self.answer(404, {"path": self.path})
        folder = Path(os.environ["AZUREML_MODEL_DIR"])
        half = float((folder / "half/factor.txt").read_text())
        where = {"model": str(folder), "who": os.environ["WHO"], "path": self.path}
        self.answer(200, {"predictions": [one * half for one in given["instances"]], **where})

    def log_message(self, text, *given):
        print(self.server.server_port, text % given, flush=True)

threading.Thread(target=ThreadingHTTPServer(("", 9001), Handler).serve_forever, daemon=True).start()
ThreadingHTTPServer(("", 9000), Handler).serve_forever()
"""
ROUTES = {
    "liveness_route": {"port": 9001, "path": "/ready"},
    "readiness_route": {"port": 9001, "path": "/ready"},
    "scoring_route": {"port": 9000, "path": "/v1/models/half:predict"},
}
DOCKERFILE = 'FROM {base}\nCOPY server.py /server.py\nUSER 1000\nCMD ["python3", "/server.py"]\n'


@pytest.fixture
def files(ws, project):
    del ws
    (project / "half").mkdir()
    (project / "half/factor.txt").write_text("0.5")
    return project


def deployment(files, name, environment, **more):
    content = {
        "name": name,
        "endpoint_name": "own",
        "model": {"name": "halves", "version": 1, "path": "./half"},
        "environment": environment,
        "environment_variables": {"WHO": name},
        **more,
    }
    (files / f"{name}.yml").write_text(json.dumps(content))
    return f"{name}.yml"


def score(endpoint, name=""):
    return json.loads(endpoint.invoke(b'{"instances": [1, 3]}', name))


@pytest.mark.slow
@pytest.mark.engine
def test_an_image_with_its_own_server_runs_as_it_is(ws, files, base_image, on_engine, capsys):
    context = files / "context"
    context.mkdir()
    (context / "server.py").write_text(SERVER)
    (context / "Dockerfile").write_text(DOCKERFILE.format(base=base_image.reference))
    programs.run(["docker", "build", "-q", "-t", "own-server:1", str(context)])
    image = {"image": "own-server:1", "inference_config": ROUTES}
    built = {"name": "built", "version": 1, "build": {"path": "context"}, "inference_config": ROUTES}
    limits = {"resources": {"limits": {"cpu": "0.5", "memory": "128Mi"}}, "instance_count": 2}
    blue = deployment(files, "blue", image, **limits)
    green = deployment(files, "green", built, model_mount_path="/var/models")
    assert envbuild(["deploy", blue, green]) == 0
    said = capsys.readouterr().err
    assert "deployment blue: its own server decides" in said
    endpoint = OnlineEndpoint(ws, "own")
    try:
        mounted = "/var/azureml-app/azureml-models/halves/1"
        path = {"path": "/v1/models/half:predict"}
        assert score(endpoint) == {"predictions": [0.5, 1.5], "model": mounted, "who": "blue", **path}
        assert score(endpoint, "green") == {
            "predictions": [0.5, 1.5],
            "model": "/var/models/halves/1",
            "who": "green",
            **path,
        }
        container = endpoint.values["deployments"]["blue"]["container"]
        inspected = json.loads(programs.run(["docker", "inspect", container]).stdout)[0]["HostConfig"]
        assert (inspected["Memory"], inspected["NanoCpus"]) == (128 * 1024**2, 5 * 10**8)

        # the server's own paths are reached too, with the endpoint's key
        url = endpoint.scoring_uri.removesuffix("score") + "v1/models/half"
        key = endpoint.credentials()["primaryKey"]
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer) == {"path": "/v1/models/half"}
        assert "/ready" in endpoint.logs("green")
        assert endpoint.state == "Healthy"

        # one that ends changes nothing, and its log is told
        deployment(files, "blue", image, environment_variables={"FAIL": "1"})
        capsys.readouterr()
        assert envbuild(["deploy", blue]) == ServiceError.exit_code
        assert "no weights" in capsys.readouterr().err
        assert score(endpoint)["who"] == "blue"
        assert endpoint.values["deployments"]["blue"]["container"] == container

        # a registered environment is one too
        assert envbuild(["environment", "create", "--file", environment(files, image)]) == 0
        deployment(files, "blue", "azureml:registered:1", environment_variables={"WHO": "new"})
        assert envbuild(["deploy", blue]) == 0
        assert score(endpoint)["who"] == "new"
        assert programs.run(["docker", "inspect", container], check=False).code != 0
    finally:
        endpoint.delete()
    assert not programs.run(["docker", "ps", "-aq", "--filter", "label=envbuild.deployment"]).stdout


def environment(files, image):
    (files / "environment.yml").write_text(json.dumps({"name": "registered", "version": 1, **image}))
    return "environment.yml"


def test_what_is_no_container_is_told(ws, files, capsys):
    image = {"image": "own-server:1", "inference_config": ROUTES}
    name = deployment(files, "blue", image)
    assert envbuild(["deploy", name, "--engine", "local"]) == ServiceError.exit_code
    assert "runs an image with its own server, not a process" in capsys.readouterr().err
    with pytest.raises(WorkspaceError, match="has no deployment"):
        OnlineEndpoint(ws, "own").logs("blue")
    assert not list((ws.core.folder / "endpoints/own").glob("own.blue.*"))


def test_an_environment_without_routes_and_no_script_scores_nothing(ws, files, capsys):
    Environment("plain").register(ws)
    Model.register(ws, "half", "halves")
    name = deployment(files, "blue", "azureml:plain:1", model="azureml:halves:1")
    assert envbuild(["deploy", name]) == ServiceError.exit_code
    assert "exactly one model of a framework is served" in capsys.readouterr().err

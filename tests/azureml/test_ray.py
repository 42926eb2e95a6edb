"""A run on a Ray cluster, against a server on loopback that records what the job server is asked."""

import http.server
import io
import json
import threading
import zipfile

import pytest

from envbuild.azureml.core import Environment, Experiment, ScriptRunConfig
from envbuild.azureml.ray import job_server, packed, runtime_environment
from envbuild.core.errors import ServiceError
from envbuild.core.lock import CondaPackage, PipFile, PipPackage
from envbuild.core.platforms import PLATFORMS
from envbuild.core.selection import Chosen, Selection


class Cluster(http.server.BaseHTTPRequestHandler):
    """Answers as Ray's REST interface describes, from the lists of its server."""

    def do_PUT(self):
        self.server.packages[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, json.loads(body) if body else None))
        self._answer({"submission_id": "x"})

    def do_GET(self):
        if self.path.endswith("/logs"):
            self._answer({"logs": self.server.logs})
            return
        status = self.server.states.pop(0) if len(self.server.states) > 1 else self.server.states[0]
        self._answer({"status": status, "message": "as it ended" if status == "FAILED" else None})

    def _answer(self, content):
        data = json.dumps(content).encode()
        self.send_response(self.server.code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args):
        pass


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setattr("envbuild.azureml.ray._POLL", 0.01)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    server.packages, server.asked, server.logs, server.code = {}, [], "hello\n", 200
    server.states = ["PENDING", "RUNNING", "SUCCEEDED"]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def submit(ws, tmp_path, cluster):
    def submitted(address=""):
        (tmp_path / "src").mkdir(exist_ok=True)
        (tmp_path / "src/t.py").write_text("print(1)\n")
        own = Environment("own")
        own.python.user_managed_dependencies = True
        own.environment_variables = {"A": "1"}
        target = address or f"http://127.0.0.1:{cluster.server_address[1]}"
        return Experiment(ws, "e").submit(
            ScriptRunConfig(tmp_path / "src", "t.py", ["--x", "a b"], environment=own, target=target)
        )

    return submitted


def test_the_snapshot_and_the_command_go_to_the_cluster(cluster, submit):
    run = submit()
    details = run.wait_for_completion()
    assert (details["status"], details["exit_code"]) == ("Completed", 0)
    assert "hello" in run.get_all_logs()
    path, body = cluster.asked[0]
    assert path == "/api/jobs/"
    assert body["entrypoint"] == "python t.py --x 'a b'"
    assert body["submission_id"] == run.id
    assert body["runtime_env"]["env_vars"] == {"A": "1"}
    name = body["runtime_env"]["working_dir"].removeprefix("gcs://")
    with zipfile.ZipFile(io.BytesIO(cluster.packages[f"/api/packages/gcs/{name}"])) as archive:
        assert archive.namelist() == ["t.py"]


def test_a_failed_job_fails_the_run(cluster, submit):
    cluster.states = ["FAILED"]
    run = submit()
    assert run.wait_for_completion(raise_on_error=False)["status"] == "Failed"
    assert "as it ended" in run.get_all_logs()


def test_a_canceled_run_is_stopped_there(cluster, submit):
    cluster.states = ["RUNNING"]
    run = submit()
    while run.status != "Running":
        pass
    run.cancel()
    while len(cluster.asked) < 2:
        pass
    assert cluster.asked[-1][0] == f"/api/jobs/{run.id}/stop"
    assert run.status == "Canceled"


def test_a_cluster_that_refuses_or_is_not_there_is_named(cluster, submit):
    cluster.code = 500
    with pytest.raises(ServiceError, match="answered 500"):
        submit().wait_for_completion()
    with pytest.raises(ServiceError, match="cannot be reached"):
        submit("http://127.0.0.1:9").wait_for_completion()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ray://head:10001", "http://head:8265"),
        ("http://head:8265/", "http://head:8265"),
        ("https://head.example", "https://head.example"),
    ],
)
def test_the_job_server_of_an_address(address, expected):
    assert job_server(address) == expected


def test_the_environment_is_pinned_in_rays_words():
    conda = CondaPackage(
        name="python",
        version="3.11.2",
        build="h1_0",
        platform="linux-64",
        subdir="linux-64",
        channel="https://conda.example/channel",
        url="https://conda.example/channel/linux-64/x.conda",
    )
    package = PipPackage(name="a", version="1.0")
    wheel = PipFile(filename="a-1.0-py3-none-any.whl", url="https://index.example/a", hashes=())
    selection = Selection(platform=PLATFORMS["linux-64"], conda=(conda,), pip=(Chosen(package=package, file=wheel),))
    runtime = runtime_environment(selection, ["conda-forge"], {})
    assert runtime["conda"] == {
        "channels": ["conda-forge"],
        "dependencies": ["python=3.11.2=h1_0", {"pip": ["a==1.0"]}],
    }
    local = Selection(platform=selection.platform, conda=(), pip=(Chosen(package=package, file=None),))
    with pytest.raises(ServiceError, match="by name and version"):
        runtime_environment(local, [], {})


def test_equal_folders_make_equal_archives(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text("1")
    assert packed(tmp_path / "a") == packed(tmp_path / "b")

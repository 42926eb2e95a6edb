"""A run on a Ray cluster, against a server on loopback that runs what the job server is asked to run, on this machine."""

import base64
import hashlib
import http.server
import io
import json
import os
import shlex
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from envbuild import programs
from envbuild.azureml.core import Environment, Experiment, ScriptRunConfig
from envbuild.azureml.runs.inside.sending import MARK
from envbuild.azureml.runs.ray import job_server, packed, runtime_environment
from envbuild.azureml.runs.sent import Output, SentFiles
from envbuild.core.errors import NetworkError, ServiceError
from envbuild.core.lock import CondaPackage, PipFile, PipPackage
from envbuild.core.platforms import PLATFORMS
from envbuild.core.selection import Chosen, Selection
from tests.azureml.test_environments import of_channel


class Cluster(http.server.BaseHTTPRequestHandler):
    """Answers as Ray's REST interface describes; a job is run when it comes, unless the server has states of its own."""

    def do_PUT(self):
        self.server.packages[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({})

    def do_POST(self):
        self.server.authorization = self.headers.get("Authorization")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, json.loads(body) if body else None))
        if body and self.server.code == 200 and not self.server.states:
            self._run(json.loads(body))
        self._answer({"submission_id": "x"})

    def _run(self, job):
        name = job["runtime_env"]["working_dir"].removeprefix("gcs://")
        folder = self.server.folder / name
        with zipfile.ZipFile(io.BytesIO(self.server.packages[f"/api/packages/gcs/{name}"])) as archive:
            archive.extractall(folder)
        variables = {"PATH": os.environ["PATH"], **job["runtime_env"]["env_vars"]}
        argv = [sys.executable, *shlex.split(job["entrypoint"])[1:]]
        done = programs.run(argv, cwd=folder, env=variables, check=False)
        self.server.logs = done.stdout + done.stderr
        self.server.states = ["SUCCEEDED" if done.code == 0 else "FAILED"]

    def do_GET(self):
        if self.path.endswith("/logs"):
            self._answer({"logs": self.server.logs})
            return
        status = self.server.states.pop(0) if len(self.server.states) > 1 else self.server.states[0]
        self._answer(
            {
                "status": status,
                "message": f"as it ended, last available logs:\n{self.server.logs[-50:]}"
                if status == "FAILED"
                else None,
            }
        )

    def _answer(self, content):
        data = json.dumps(content).encode()
        self.send_response(self.server.code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args):
        pass


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    monkeypatch.setattr("envbuild.azureml.runs.ray._POLL", 0.01)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    server.packages, server.asked, server.logs, server.code = {}, [], "hello\n", 200
    server.states, server.folder = ["PENDING", "RUNNING", "SUCCEEDED"], tmp_path
    server.authorization = None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def submit(ws, tmp_path, cluster):
    def submitted(address="", code="print(1)\n"):
        (tmp_path / "src").mkdir(exist_ok=True)
        (tmp_path / "src/t.py").write_text(code)
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
    assert body["entrypoint"] == "python .envbuild-run/sending.py outputs:logs python t.py --x 'a b'"
    assert body["submission_id"] == run.id
    assert body["runtime_env"]["env_vars"]["A"] == "1"
    assert body["runtime_env"]["env_vars"]["AZUREML_RUN_ID"] == run.id
    name = body["runtime_env"]["working_dir"].removeprefix("gcs://")
    with zipfile.ZipFile(io.BytesIO(cluster.packages[f"/api/packages/gcs/{name}"])) as archive:
        assert [one for one in archive.namelist() if not one.startswith(".envbuild-run/")] == ["t.py"]


SCRIPT = """
import os, sys
from azureml.core import Run
run = Run.get_context(allow_offline=False)
run.log("accuracy", 0.5)
run.tag("where", "there")
os.makedirs("outputs/deep")
open("outputs/model.bin", "wb").write(bytes(range(256)) * 100)
open("outputs/deep/f.txt", "w").write("deep")
run.upload_file("up/x.txt", "outputs/deep/f.txt")
try:
    run.register_model("m", "outputs/model.bin")
except RuntimeError as error:
    print("not there:", error)
print("no end of line", end="")
sys.exit(int(os.environ["A"]) - 1)
"""


def test_what_the_script_makes_there_comes_back(ws, cluster, submit, tmp_path):
    cluster.states = []
    run = submit(code=SCRIPT)
    assert run.wait_for_completion()["status"] == "Completed"
    assert run.get_metrics() == {"accuracy": 0.5}
    assert run.get_tags() == {"where": "there"}
    assert {"outputs/model.bin", "outputs/deep/f.txt", "up/x.txt"} <= {*run.get_file_names()}
    run.download_file("outputs/model.bin", tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == bytes(range(256)) * 100
    said = run.get_all_logs()
    assert "no end of line" in said
    assert "not there: nobody answers inside a run on a cluster" in said
    assert "envbuild-files" not in said
    assert run.register_model("m", "outputs/model.bin").id == "m:1"
    cluster.states = []
    assert submit(code=SCRIPT).wait_for_completion()["status"] == "Completed", "it found what the first had left"


def test_what_a_failing_script_made_comes_back_too(cluster, submit):
    cluster.states = []
    run = submit(code=SCRIPT.replace("- 1)", "+ 2)"))
    assert run.wait_for_completion(raise_on_error=False)["status"] == "Failed"
    assert "outputs/model.bin" in run.get_file_names()
    assert "as it ended" in run.get_all_logs()
    assert "last available" not in run.get_all_logs()


def test_a_log_grows_line_by_line_and_what_is_sent_is_checked():
    said = []
    output = Output(said.append)
    output.show("one\ntw", ended=False)
    output.show("one\ntwo\n", ended=False)
    assert said == ["one", "two"]
    content = packed({"t.py": Path(__file__)})
    sent = f"{MARK}{hashlib.sha256(content).hexdigest()}\n{MARK}{base64.b64encode(content).decode()}\n"
    output.show(f"one\ntwo\n{sent}three", ended=True)
    assert said == ["one", "two", "three"]
    assert output.files().archive == content
    broken = Output(said.append)
    broken.show(sent[:-20], ended=True)
    with pytest.raises(NetworkError, match="not come back whole"):
        broken.files()


@pytest.mark.parametrize("name", ["../x", "/x", "control/../../x"])
def test_what_leads_out_of_the_run_is_not_written(tmp_path, name):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(NetworkError, match="leads out"):
        SentFiles(content.getvalue()).take(outputs=tmp_path / "o", control=tmp_path / "c")
    assert not list(tmp_path.iterdir())


def test_what_is_too_large_for_a_log_is_named(tmp_path, monkeypatch, capsys):
    from envbuild.azureml.runs.inside import sending

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sending, "LIMIT", 10)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/small").write_text("small")
    (tmp_path / "outputs/large").write_text("l" * 11)
    sending.send(["outputs"], tmp_path / "control")
    output = Output(lambda _line: None)
    said = capsys.readouterr().out
    output.show(said, ended=True)
    assert f"outputs/large stays on the cluster, in {tmp_path}/outputs/large" in said
    with zipfile.ZipFile(io.BytesIO(output.files().archive)) as archive:
        assert archive.namelist() == ["outputs/small"]


def test_the_token_of_a_cluster_goes_with_every_question(cluster, submit, monkeypatch):
    submit().wait_for_completion()
    assert cluster.authorization is None
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret-token")
    run = submit()
    run.wait_for_completion()
    assert cluster.authorization == "Bearer secret-token"
    assert "secret-token" not in run.get_all_logs()


def test_without_conda_packages_the_clusters_python_does(ws, tmp_path, cluster, python_channel, index):
    index.add("small", "1.0", files={"small.py": ""})
    env = of_channel("e", python_channel, "pip", pip=["small"])
    env.python.conda_dependencies.set_pip_index_url(index.url)
    (tmp_path / "t.py").write_text("")
    target = f"http://127.0.0.1:{cluster.server_address[1]}"
    Experiment(ws, "e").submit(ScriptRunConfig(tmp_path, "t.py", environment=env, target=target)).wait_for_completion()
    runtime = cluster.asked[0][1]["runtime_env"]
    assert (runtime["pip"], "conda" in runtime) == (["small==1.0"], False)


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
    assert packed({"": tmp_path / "a"}) == packed({"": tmp_path / "b"})

"""The servers of `benchmarks.serve`: how each is installed, started and asked, with the same model code behind all."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess  # noqa: TID251 - servers are started, watched and ended
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from envbuild import programs
from envbuild.core.errors import EnvbuildError
from envbuild.files import cache_root

START_LIMIT_S = 60
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
MODEL = """
import json
def make():
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    return LogisticRegression(max_iter=500).fit(*load_iris(return_X_y=True))
"""
SCORE = {
    "trivial": "def init(): pass\ndef run(data): return {'ok': True}\n",
    "sklearn": MODEL
    + "def init():\n    global model\n    model = make()\n"
    + "def run(data): return model.predict(json.loads(data)['data']).tolist()\n",
}
GRANIAN = """
import json
def app(environ, start_response):
    environ["wsgi.input"].read()
    body = json.dumps({"ok": True}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""
LITSERVE = """
import litserve
class Api(litserve.LitAPI):
    def setup(self, device): pass
    def decode_request(self, request): return request
    def predict(self, data): return {"ok": True}
    def encode_response(self, output): return output
if __name__ == "__main__":
    import sys
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=int(sys.argv[2]))
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
"""
BENTOML = """
import bentoml
@bentoml.service
class Score:
    @bentoml.api(route="/score")
    def score(self, data: list) -> dict: return {"ok": True}
"""
MLFLOW = """
import mlflow.pyfunc, shutil
class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None): return {"ok": True}
shutil.rmtree("model", ignore_errors=True)
mlflow.pyfunc.save_model("model", python_model=Model())
"""


class PeerMissingError(Exception):
    """A peer cannot be measured on this machine; the message is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers at `url`."""

    url: str
    started_s: float
    pid: int

    def memory_bytes(self) -> int:
        """Return the proportional memory (PSS) of the server and its children, so that shared pages count once."""
        return sum(map(_pss, _family(self.pid)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One server: `command(python, folder, port, workers)` starts it on files that `files` wrote."""

    name: str
    requirements: tuple[str, ...]
    command: Callable[[str, Path, int, int], list[str]]
    files: Callable[[str], Mapping[str, str]]
    route: str = "/score"
    scripts: tuple[str, ...] = ("trivial",)
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    payload: Callable[[], object] = lambda: {"data": ROWS}

    def body(self, _script: str) -> str:
        """Return the request's body: the same rows for everybody, under the name that the peer wants."""
        return json.dumps(self.payload())

    @property
    def python(self) -> str:
        """The interpreter of the peer's environment."""
        return str(cache_root() / "bench-serve" / self.name / "bin" / "python")

    def prepare(self) -> None:
        """Install the peer, once.

        Raises:
            PeerMissingError: when it cannot be installed.
        """
        place = Path(self.python).parents[1]
        mark = place / "ready"
        wanted = "\n".join((sys.version, *self.requirements))
        if mark.is_file() and mark.read_text() == wanted:
            return
        try:
            programs.run([sys.executable, "-m", "venv", "--clear", str(place)], timeout=120)
            programs.run([self.python, "-m", "pip", "install", "-q", *self.requirements], timeout=900)
        except EnvbuildError as error:
            raise PeerMissingError(str(error).splitlines()[-1]) from error
        mark.write_text(wanted)

    @contextmanager
    def start(self, folder: Path, script: str, workers: int) -> Iterator[Running]:
        """Start the server in `folder`, wait until it answers, and end it afterwards."""
        for name, text in self.files(script).items():
            (folder / name).write_text(text)
        port = _free_port()
        begin = time.perf_counter()
        process = subprocess.Popen(
            self.command(self.python, folder, port, workers),
            cwd=folder,
            env=self._environment(folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}{self.route}"
            self._wait(process, url, script)
            yield Running(url=url, started_s=time.perf_counter() - begin, pid=process.pid)
        finally:
            _end(process)

    def _environment(self, folder: Path) -> dict[str, str]:
        programs_first = f"{Path(self.python).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return {**os.environ, "PATH": programs_first, "PYTHONPATH": str(folder), "BENTOML_DO_NOT_TRACK": "True"}

    def _wait(self, process: subprocess.Popen[bytes], url: str, script: str) -> None:
        limit = time.monotonic() + START_LIMIT_S
        request = urllib.request.Request(url, self.body(script).encode(), dict(self.headers))
        while True:
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (OSError, urllib.error.URLError) as error:  # noqa: PERF203 - it is not up yet
                if process.poll() is not None or time.monotonic() > limit:
                    raise PeerMissingError(f"{self.name} does not answer: {error}") from error
                time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server and what it started; its group may be gone already."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _ours(python: str, folder: Path, port: int, workers: int) -> list[str]:
    del folder
    server = Path(__file__).parents[1] / "envbuild" / "serving"
    return [
        python,
        str(server),
        "--entry-script",
        "score.py",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        str(workers),
    ]


def _azure(python: str, folder: Path, port: int, workers: int) -> list[str]:
    del folder
    start = ["-m", "azureml_inference_server_http", "--entry_script", "score.py"]
    return [python, *start, "--port", str(port), "--worker_count", str(workers)]


def _granian(python: str, folder: Path, port: int, workers: int) -> list[str]:
    del folder
    options = ["--interface", "wsgi", "--no-ws", "--port", str(port), "--workers", str(workers), "app:app"]
    return [python, "-m", "granian", *options]


def _bentoml(python: str, folder: Path, port: int, workers: int) -> list[str]:
    (folder / "service.py").write_text(BENTOML.replace("@bentoml.service", f"@bentoml.service(workers={workers})"))
    return [python, "-m", "bentoml", "serve", "service:Score", "--host", "127.0.0.1", "--port", str(port)]


def _mlflow(python: str, folder: Path, port: int, workers: int) -> list[str]:
    programs.run([python, "save.py"], cwd=folder, timeout=120)
    start = ["-m", "mlflow", "models", "serve", "-m", "model", "--env-manager", "local"]
    return [python, *start, "-h", "127.0.0.1", "-p", str(port), "-w", str(workers)]


SKLEARN = ("scikit-learn",)
PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            name="envbuild",
            requirements=("werkzeug", "granian", *SKLEARN),
            command=_ours,
            files=lambda script: {"score.py": SCORE[script]},
            scripts=("trivial", "sklearn"),
        ),
        Peer(
            name="azureml-inference-server-http",
            requirements=("azureml-inference-server-http", *SKLEARN),
            command=_azure,
            files=lambda script: {"score.py": SCORE[script]},
            scripts=("trivial", "sklearn"),
        ),
        Peer(name="granian", requirements=("granian",), command=_granian, files=lambda _: {"app.py": GRANIAN}),
        Peer(
            name="litserve",
            requirements=("litserve",),
            command=lambda python, _, port, workers: [python, "server.py", str(port), str(workers)],
            files=lambda _: {"server.py": LITSERVE},
            route="/predict",
        ),
        Peer(name="bentoml", requirements=("bentoml",), command=_bentoml, files=lambda _: {}),
        Peer(
            name="mlflow",
            requirements=("mlflow", "uvicorn"),
            command=_mlflow,
            files=lambda _: {"save.py": MLFLOW},
            route="/invocations",
            payload=lambda: {"inputs": ROWS},
        ),
    )
}

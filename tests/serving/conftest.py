"""Start the real server as a process on loopback, with granian and with the standard library."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess  # noqa: TID251 - the server is started as a user would start it
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "envbuild" / "serving"
START_LIMIT_S = 30


class Service:
    """A server process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def connect(self, timeout: float = 10) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, timeout: float = 10
    ) -> http.client.HTTPResponse:
        """Send one request over a connection of its own; the body of the answer is in `.content`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            response.content = response.read()
            return response
        finally:
            connection.close()

    def score(self, value: Any, **options: Any) -> Any:
        """Score a value that is expected to be scored; return the answer's JSON."""
        response = self.request("POST", "/score", json.dumps(value), {"Content-Type": "application/json"}, **options)
        assert response.status == 200, (response.status, response.content, self.log)
        return json.loads(response.content)

    def wait_until_ready(self) -> None:
        limit = time.monotonic() + START_LIMIT_S
        while True:
            try:
                assert self.request("GET", "/", timeout=2).status == 200
            except (OSError, http.client.HTTPException):  # noqa: PERF203 - it is not up yet
                assert self.process.poll() is None, self.log
                assert time.monotonic() < limit, self.log
                time.sleep(0.05)
            else:
                return

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=["granian", "stdlib"])
def server_name(request):
    if request.param == "granian":
        pytest.importorskip("granian")
    return request.param


@pytest.fixture
def launch(tmp_path, server_name):
    """Start a server for a script and return it without waiting: `launch(text, *options, **environment)`."""
    started: list[Service] = []

    def launch_script(
        text: str,
        *options: str,
        command: tuple[str, ...] = (str(FOLDER),),
        without_script: bool = False,
        **environment: str,
    ) -> Service:
        (tmp_path / "score.py").write_text(dedent(text))
        port, log = free_port(), tmp_path / f"log-{len(started)}"
        arguments = [] if without_script else ["--entry-script", "score.py"]
        arguments += ["--host", "127.0.0.1", "--port", str(port), "--server", server_name]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *command, *arguments, *options],
                cwd=tmp_path,
                env={**os.environ, "PYTHONWARNINGS": "default", **environment},
                stdout=output,
                stderr=output,
            )
        started.append(Service(process, port, log))
        return started[-1]

    yield launch_script
    for service in started:
        service.stop()


@pytest.fixture
def start(launch):
    """Start a server for a script and wait until it serves."""

    def start_script(text: str, *options: str, **more: Any) -> Service:
        service = launch(text, *options, **more)
        service.wait_until_ready()
        return service

    return start_script


@pytest.fixture
def certificate(tmp_path):
    """Make a certificate for localhost with the openssl program; return its path, its key, and a client's context."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    try:
        subprocess.run([*command, *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("the openssl program is not installed")
    context = ssl.create_default_context(cafile=str(cert))
    return cert, key, context

"""The service for real, with nothing: a file system that cannot be written, no capability, no new privilege, no home; and what it logs."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from envbuild import programs

KEY, WRONG = "pl4nted-service-key", "pl4nted-wrong-key"
SCORE = """
import os


def init():
    pass


def run(data):
    if "fail" in data:
        raise RuntimeError("no")
    try:
        open(os.path.join(os.environ["AZUREML_APP_ROOT"], "left"), "w")
        written = True
    except OSError:
        written = False
    status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
    return {"written": written, **{name: status[name] for name in ("CapEff", "CapBnd", "NoNewPrivs")}}
"""
CONFINED = """
mount --make-rprivate / || exit 77
for place in $(awk '{print $5}' /proc/self/mountinfo | sort -u | grep -v -E '^/(proc|sys|dev)'); do
    mount -o remount,bind,ro "$place" 2> /dev/null
done
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


def _confining() -> str:
    if os.geteuid() != 0 or any(programs.find(one) is None for one in ("unshare", "setpriv", "mount")):
        return "only root can take its own privileges away in this way"
    tried = programs.run(["unshare", "-m", "sh", "-c", "mount --make-rprivate /"], check=False)
    return "" if tried.code == 0 else "this machine gives no mount namespace"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def ask(port: int, path: str, body: object = None, key: str = KEY) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def service(folder: Path, server: str) -> Iterator[int]:
    """Serve `SCORE` with nothing; its log is `folder`/log, opened before the file system was closed."""
    (folder / "score.py").write_text(SCORE)
    (folder / "keys").write_text(f"{KEY}\n")
    (folder / "confined.sh").write_text(CONFINED)
    port = _free_port()
    words = ["--entry-script", "score.py", "--port", str(port), "--host", "127.0.0.1", "--server", server]
    argv = ["unshare", "-m", "sh", "confined.sh", sys.executable, "-m", "envbuild.serving", *words]
    nowhere = {"HOME": "/nonexistent", "TMPDIR": "/nonexistent", "PYTHONDONTWRITEBYTECODE": ""}
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), **nowhere}
    environ |= {"AZUREML_APP_ROOT": str(folder), "ENVBUILD_AUTH_KEYS_FILE": str(folder / "keys")}
    process = programs.start(argv, log=folder / "log", cwd=folder, env=environ)
    try:
        for _ in range(300):
            if process.poll() is not None:
                pytest.fail((folder / "log").read_text())
            try:
                ask(port, "/")
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("server", ["granian", "stdlib"])
def test_the_service_needs_no_privilege_and_no_place_to_write(tmp_path: Path, server: str) -> None:
    if reason := _confining():
        pytest.skip(reason)
    with service(tmp_path, server) as port:
        status, body = ask(port, "/score", 1)
        assert (status, json.loads(body)) == (
            200,
            {"written": False, "CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1"},
        )
        assert ask(port, "/score", 1, key=WRONG)[0] == 401
        assert ask(port, f"/score?key={KEY}", 1, key=WRONG)[0] == 401
        status, body = ask(port, "/score", "fail")
        assert status == 500
        # what went wrong is for the log: a client sees no line of the script, and there is no page to debug with
        assert b"Traceback" not in body
        assert b"score.py" not in body
        assert {ask(port, path)[0] for path in ("/console", "/debug", "/__debugger__", "/?__debugger__=yes&cmd=x")} <= {
            200,
            404,
        }
        assert b"debugger" not in ask(port, "/?__debugger__=yes&cmd=resource&f=debugger.js")[1]
    log = (tmp_path / "log").read_bytes()
    assert b"RuntimeError" in log
    assert KEY.encode() not in log
    assert WRONG.encode() not in log
    assert not list(tmp_path.glob("left"))

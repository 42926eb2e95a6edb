"""The server as a process: start, workers, stop."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess  # noqa: TID251 - the server is started as a user would start it
import sys
import threading
import time

import pytest

from .conftest import FOLDER, free_port

SCRIPT = """
    import json, os, sys, time

    def init():
        print("loaded by", os.getpid())

    def run(data):
        what = json.loads(data)
        if what == "pid":
            return os.getpid()
        if what == "die":
            os._exit(9)
        if what == "exit":
            sys.exit(1)
        if isinstance(what, dict) and "sleep" in what:
            time.sleep(what["sleep"])
        return {"echo": what}
"""
JSON = {"Content-Type": "application/json"}


def test_serves_and_logs(start):
    service = start(SCRIPT)
    assert service.score({"a": [1, 2, 3]}) == {"echo": {"a": [1, 2, 3]}}
    assert service.request("GET", "/").content == b"Healthy"
    head = service.request("HEAD", "/")
    assert (head.status, head.content, head.headers["content-length"]) == (200, b"", "7")
    assert service.request("GET", "/nope").status == 404
    assert service.stop() == 0
    assert "azmlinfsrv.print - loaded by" in service.log
    assert " I [" in service.log
    assert "azmlinfsrv.access - POST /score 200" in service.log
    assert "azmlinfsrv.access - GET /nope 404" in service.log
    assert "GET / 200" not in service.log
    assert "Warning" not in service.log


def test_connection_is_kept(start):
    service = start(SCRIPT)
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.connect()
    port = connection.sock.getsockname()[1]
    for n in range(20):
        connection.request("POST", "/score", json.dumps(n), JSON)
        assert json.loads(connection.getresponse().read()) == {"echo": n}
    assert connection.sock.getsockname()[1] == port
    connection.close()


def test_large_bodies_both_ways(start):
    service = start(SCRIPT)
    text = "x" * 5_000_000
    assert service.score(text) == {"echo": text}


def test_chunked_body(start):
    service = start(SCRIPT)
    response = service.request("POST", "/score", iter([b"[1,", b" 2", b"]"]), JSON)
    assert json.loads(response.content) == {"echo": [1, 2]}


def test_health_answers_while_run_is_busy(start):
    service = start(SCRIPT)
    thread = threading.Thread(target=service.score, args=({"sleep": 2},))
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    assert service.request("GET", "/").status == 200
    assert time.monotonic() - began < 1
    thread.join()


def test_threads_let_calls_overlap(start):
    service = start(SCRIPT, "--threads", "4")
    began = time.monotonic()
    threads = [threading.Thread(target=service.score, args=({"sleep": 0.5},)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 1.8


def pids(service, count: int) -> set[int]:
    found: set[int] = set()
    limit = time.monotonic() + 20
    while len(found) < count:
        assert time.monotonic() < limit, found
        found.add(service.score("pid"))
    return found


def test_workers_are_processes(start):
    service = start(SCRIPT, "--workers", "2")
    assert len(pids(service, 2)) == 2
    assert service.stop() == 0


def test_exit_in_run_costs_one_request_and_no_worker(start):
    service = start(SCRIPT)
    before = service.score("pid")
    response = service.request("POST", "/score", '"exit"', JSON)
    assert (response.status, response.headers["x-ms-run-function-failed"]) == (500, "True")
    assert service.score("pid") == before
    assert "SystemExit: 1" in service.log


def wait_for_another(service, before: int) -> int:
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        try:
            now = service.score("pid")
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
            continue
        if now != before:
            return now
    raise AssertionError(service.log)


def test_worker_that_is_killed_is_replaced(start):
    service = start(SCRIPT)
    before = service.score("pid")
    os.kill(before, signal.SIGKILL)
    assert wait_for_another(service, before) != before
    assert service.process.poll() is None


def test_script_that_ends_the_process_is_started_again(start):
    service = start(SCRIPT)
    before = service.score("pid")
    with pytest.raises((OSError, http.client.HTTPException)):
        service.request("POST", "/score", '"die"', JSON)
    wait_for_another(service, before)


def test_stop_lets_a_request_finish(start):
    service = start(SCRIPT)
    answers: list = []
    thread = threading.Thread(target=lambda: answers.append(service.score({"sleep": 1.5})))
    thread.start()
    time.sleep(0.5)
    assert service.stop() == 0
    thread.join()
    assert answers == [{"echo": {"sleep": 1.5}}]
    with pytest.raises(OSError, match="refused"):
        service.connect()


def test_stop_does_not_wait_for_connections_that_are_kept(start):
    service = start(SCRIPT)
    kept = [http.client.HTTPConnection("127.0.0.1", service.port, timeout=10) for _ in range(5)]
    for connection in kept:
        connection.request("POST", "/score", "1", JSON)
        assert connection.getresponse().read() == b'{"echo": 1}'
    silent = service.connect()
    began = time.monotonic()
    assert service.stop() == 0
    assert time.monotonic() - began < 8
    silent.close()
    for connection in kept:
        connection.close()


def test_stop_does_not_wait_for_ever(start):
    service = start(SCRIPT, "--stop-timeout-s", "1")

    def call() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            service.score({"sleep": 30})

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.5)
    began = time.monotonic()
    service.stop()
    assert time.monotonic() - began < 8
    thread.join()


def test_failing_init_ends_with_3_and_shows_the_line_once(launch):
    service = launch(
        """
        def init():
            open("no/such/model.pkl")

        def run(data): pass
        """,
        "--workers",
        "2",
    )
    assert service.process.wait(20) == 3
    assert service.log.count("init() of score.py failed at line 3: FileNotFoundError") >= 1
    assert 'open("no/such/model.pkl")' in service.log


def test_taken_port_is_told_in_one_line(start, launch, tmp_path):
    service = start(SCRIPT)
    other = launch(SCRIPT, "--port", str(service.port))
    assert other.process.wait(20) == 1
    assert f"cannot listen on 127.0.0.1:{service.port}" in other.log
    assert "Traceback" not in other.log
    assert service.score(1) == {"echo": 1}


def test_scoring_timeout(start):
    service = start(SCRIPT, SCORING_TIMEOUT_MS="300")
    began = time.monotonic()
    response = service.request("POST", "/score", '{"sleep": 3}', JSON)
    assert (response.status, json.loads(response.content)) == (500, {"message": "Scoring timeout after 300 ms"})
    assert response.headers["x-ms-run-function-failed"] == "True"
    assert time.monotonic() - began < 2
    assert service.score(1) == {"echo": 1}


def test_tls(start, launch, certificate):
    cert, key, context = certificate
    service = launch(SCRIPT, "--tls-cert", str(cert), "--tls-key", str(key))
    limit = time.monotonic() + 20
    while True:
        connection = http.client.HTTPSConnection("localhost", service.port, timeout=5, context=context)
        try:
            connection.request("POST", "/score", "[1]", JSON)
            assert json.loads(connection.getresponse().read()) == {"echo": [1]}
            break
        except OSError:
            assert time.monotonic() < limit, service.log
            time.sleep(0.1)
        finally:
            connection.close()


def test_keys(start, tmp_path):
    (tmp_path / "keys").write_text("key-one\n")
    service = start(SCRIPT, ENVBUILD_AUTH_KEYS_FILE=str(tmp_path / "keys"))
    assert service.request("POST", "/score", "1", JSON).status == 401
    assert service.request("POST", "/score", "1", {"Authorization": "Bearer key-one"}).status == 200
    assert "key-one" not in service.log


def test_reload_serves_the_changed_script_and_survives_a_broken_one(start, tmp_path):
    service = start("def init(): pass\ndef run(data): return 1\n", "--reload", "true")
    assert service.score("x") == 1

    def wait_for(expected: int) -> None:
        limit = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if service.score("x") == expected:
                    return
            assert time.monotonic() < limit, service.log
            time.sleep(0.1)

    (tmp_path / "score.py").write_text("def init(): pass\ndef run(data): return 22\n")
    wait_for(22)
    (tmp_path / "score.py").write_text("def init(): raise ValueError('broken')\ndef run(data): return 333\n")
    while "ValueError: broken" not in service.log:
        time.sleep(0.1)
    assert service.process.poll() is None
    (tmp_path / "score.py").write_text("def init(): pass\ndef run(data): return 4444\n")
    wait_for(4444)
    assert service.stop() == 0


def test_copied_folder_is_complete(start, tmp_path):
    """The folder alone, under another name, with nothing else of envbuild to import."""
    shutil.copytree(FOLDER, tmp_path / "elsewhere" / "copied_server", ignore=shutil.ignore_patterns("__pycache__"))
    service = start(
        SCRIPT, command=("-P" if sys.version_info >= (3, 11) else "-B", str(tmp_path / "elsewhere" / "copied_server"))
    )
    assert service.score(1) == {"echo": 1}


def test_module_style(start):
    service = start(SCRIPT, command=("-m", "envbuild.serving"), PYTHONPATH=str(FOLDER.parents[1]))
    assert service.score(1) == {"echo": 1}


def test_import_needs_no_package():
    """Every module that the plain server needs is importable with nothing but the standard library."""
    code = "import serving.command, serving.plain_server, serving.app; print('ok')"
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(FOLDER.parent)!r}); {code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == "ok\n", found.stderr


def test_two_services_do_not_disturb_each_other(start):
    first, second = start(SCRIPT), start(SCRIPT)
    assert first.port != second.port
    first.stop()
    assert second.score(2) == {"echo": 2}
    assert free_port()

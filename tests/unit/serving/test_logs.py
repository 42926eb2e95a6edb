"""Log lines."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys

import pytest

from envbuild.serving import logs
from envbuild.serving.logs import Access, AccessLog, JsonFormatter, PrintedText, TextFormatter, configure, current_id
from envbuild.serving.settings import Settings

REQUEST = {"REQUEST_METHOD": "POST", "PATH_INFO": "/score", "REMOTE_ADDR": "10.0.0.1"}


def record(text="hello", level=logging.INFO, exc_info=None):
    return logging.LogRecord("azmlinfsrv", level, "", 0, text, (), exc_info)


def test_text_line_is_azures():
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} I \[\d+\] azmlinfsrv - hello", TextFormatter().format(record())
    )


def test_json_line_carries_the_request_id_and_the_traceback():
    token = current_id.set("abc")
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        line = json.loads(JsonFormatter().format(record("x\ny", logging.ERROR, sys.exc_info())))
    current_id.reset(token)
    assert (line["level"], line["message"], line["request_id"]) == ("ERROR", "x\ny", "abc")
    assert "ZeroDivisionError" in line["traceback"]
    assert line["time"].endswith("Z")


@pytest.fixture
def written(monkeypatch):
    lines: list[bytes] = []
    monkeypatch.setattr(logs.os, "write", lambda number, data: lines.append(data))
    return lines


def settings(tmp_path, **changes) -> Settings:
    return Settings(app_root=tmp_path, entry_script="score.py", **changes)


@pytest.mark.parametrize(("status", "letter"), [(200, "I"), (404, "W"), (500, "E")])
def test_access_line(tmp_path, written, status, letter):
    AccessLog(settings(tmp_path)).write(Access(REQUEST, status, 12, 0.0015, "id-1"))
    text = written[0].decode()
    assert re.fullmatch(
        rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d{{3}} {letter} \[\d+\] azmlinfsrv.access - POST /score {status} 12 1.500ms id-1\n",
        text,
    )


def test_access_line_as_json(tmp_path, written):
    AccessLog(settings(tmp_path, log_format="json")).write(Access(REQUEST, 200, 12, 0.0015, "id-1"))
    line = json.loads(written[0])
    assert {key: line[key] for key in ("method", "path", "status", "bytes", "duration_ms", "request_id", "client")} == {
        "method": "POST",
        "path": "/score",
        "status": 200,
        "bytes": 12,
        "duration_ms": 1.5,
        "request_id": "id-1",
        "client": "10.0.0.1",
    }


@pytest.mark.parametrize("path", ["/a\n2026-01-01 forged", "/a\r", "/\x1b[2J", "/\xe9"])
def test_path_cannot_forge_a_line(tmp_path, written, path):
    AccessLog(settings(tmp_path)).write(Access({**REQUEST, "PATH_INFO": path}, 404, 0, 0.0, "id"))
    text = written[0].decode()
    assert text.count("\n") == 1
    assert all(character.isprintable() for character in text[:-1])


def test_failed_requests_are_logged_where_good_ones_are_not(tmp_path, written):
    quiet = AccessLog(settings(tmp_path, log_level="ERROR"))
    for status in (200, 404, 500):
        quiet.write(Access(REQUEST, status, 0, 0.0, "id"))
    assert len(written) == 1


def test_access_log_can_be_switched_off(tmp_path, written):
    AccessLog(settings(tmp_path, access_log=False)).write(Access(REQUEST, 500, 0, 0.0, "id"))
    assert written == []


def test_full_pipe_does_not_fail_the_request(tmp_path, monkeypatch):
    def full(number, data):
        raise BlockingIOError

    monkeypatch.setattr(logs.os, "write", full)
    AccessLog(settings(tmp_path)).write(Access(REQUEST, 200, 0, 0.0, "id"))


def test_printed_lines_become_log_lines(caplog):
    caplog.set_level(logging.INFO)
    output = PrintedText()
    print("one\ntwo", end="", file=output)
    print(" more", file=output)
    print("rest", end="", file=output)
    output.flush()
    output.flush()
    assert [one.getMessage() for one in caplog.records] == ["one", "two more", "rest"]
    assert {one.name for one in caplog.records} == {"azmlinfsrv.print"}
    assert output.writable()
    assert output.fileno() == 1


@pytest.fixture
def logging_restored(monkeypatch):
    root = logging.getLogger()
    handlers, level, output = list(root.handlers), root.level, sys.stdout
    yield
    root.handlers[:], sys.stdout = handlers, output
    root.setLevel(level)
    logs.ACCESS.handlers.clear()
    logs.ACCESS.propagate = True


def test_logging_json_of_the_user_replaces_ours(tmp_path, logging_restored, written):
    (tmp_path / "logging.json").write_text(
        json.dumps(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"file": {"class": "logging.FileHandler", "filename": str(tmp_path / "log")}},
                "loggers": {"azmlinfsrv.access": {"handlers": ["file"], "level": "INFO", "propagate": False}},
            }
        )
    )
    chosen = settings(tmp_path)
    configure(chosen)
    AccessLog(chosen).write(Access(REQUEST, 200, 12, 0.0015, "id-1"))
    assert (tmp_path / "log").read_text() == "POST /score 200 12 1.500ms id-1\n"
    assert written == []


def test_print_is_redirected(tmp_path, logging_restored, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", stream)
    configure(settings(tmp_path, log_format="json"))
    print("hello")
    line = json.loads(stream.getvalue())
    assert (line["logger"], line["message"], line["process"]) == ("azmlinfsrv.print", "hello", os.getpid())

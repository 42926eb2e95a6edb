"""Routes, headers, and errors of run()."""

from __future__ import annotations

import logging
import re

import pytest

SCRIPT = """
    import json, sys, time

    def init():
        pass

    def run(data):
        what = json.loads(data)
        if what == "raise":
            raise ValueError("no good")
        if what == "exit":
            sys.exit(1)
        if what == "interrupt":
            raise KeyboardInterrupt
        if what == "none":
            return None
        if what == "bytes":
            return b"\\x00\\x01"
        if what == "object":
            return object()
        return what
"""
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def test_health_is_plain(serve):
    reply = serve(SCRIPT).get("/", {"Accept": "text/html"})
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"Healthy", "text/html; charset=utf-8")


def test_head_has_the_length_and_no_body(serve):
    reply = serve(SCRIPT)("HEAD", "/")
    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"", "7")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("POST", "/", 405),
        ("PUT", "/score", 405),
        ("DELETE", "/swagger.json", 405),
        ("GET", "/nope", 404),
        ("GET", "/score/", 404),
        ("GET", "/swagger.json", 200),
        ("GET", "/swagger.json?version=9", 404),
        ("GET", "/try", 200),
        ("OPTIONS", "/score", 200),
        ("POST", "/score", 500),
    ],
)
def test_every_answer_has_ids_and_the_version(serve, method, path, status):
    reply = serve(SCRIPT)(method, path, b"{")
    assert reply.status == status
    assert re.fullmatch(UUID, reply.headers["x-request-id"])
    assert reply.headers["x-ms-request-id"] == reply.headers["x-request-id"]
    assert reply.headers["x-ms-server-version"].startswith("envbuild/")
    assert reply.headers["x-ms-run-function-failed"] == str(status == 500)


def test_405_names_the_allowed_methods(serve):
    assert serve(SCRIPT)("PUT", "/score").headers["allow"] == "GET, OPTIONS, POST"


def test_good_answer_carries_the_time_of_run(serve):
    reply = serve(SCRIPT).post("[1]")
    assert float(reply.headers["x-ms-run-fn-exec-ms"]) >= 0


@pytest.mark.parametrize(("what", "body"), [("none", b"{}"), ("text", b'"text"'), ("bytes", b"\x00\x01")])
def test_values_of_run_become_bodies(serve, what, body):
    reply = serve(SCRIPT).post(f'"{what}"')
    assert (reply.status, reply.body) == (200, body)


@pytest.mark.parametrize("what", ["raise", "exit", "interrupt"])
def test_whatever_run_raises_costs_one_request(serve, caplog, what):
    client = serve(SCRIPT)
    reply = client.post(f'"{what}"')
    assert reply.status == 500
    assert reply.message == "An unexpected error occurred in scoring script. Check the logs for more info."
    assert client.post("[1]").status == 200
    assert 'score.py", line' in caplog.text


def test_the_log_shows_the_scripts_frames_only(serve, caplog):
    serve(SCRIPT).post('"raise"')
    assert "ValueError: no good" in caplog.text
    assert "deadline.py" not in caplog.text


def test_error_of_run_is_logged_with_the_request_id(serve, caplog):
    serve(SCRIPT).post('"raise"', {"x-request-id": "abc-1"})
    assert any(record.levelno == logging.ERROR for record in caplog.records)


def test_value_that_json_cannot_hold_is_named(serve):
    reply = serve(SCRIPT).post('"object"')
    assert (reply.status, reply.headers["x-ms-run-function-failed"]) == (500, "True")
    assert reply.message.startswith("run() returned a object that is not JSON serializable")


def test_version_can_be_kept_back(serve):
    assert "x-ms-server-version" not in serve(SCRIPT, send_version=False).get("/").headers


def test_prefix_of_a_proxy_is_served_beside_the_plain_paths(serve):
    client = serve(SCRIPT, path_prefix="/api/v1")
    assert client("POST", "/api/v1/score", "1").body == client.post("1").body == b"1"
    assert client.get("/api/v1/").body == b"Healthy"
    assert client.get("/api/v1/swagger.json").status == 200


def test_try_page_can_be_switched_off(serve):
    assert serve(SCRIPT, try_page=False).get("/try").status == 404


def test_defect_of_the_server_does_not_show_itself(serve, monkeypatch, caplog):
    client = serve(SCRIPT)
    monkeypatch.setattr(client.application._call, "arguments", lambda environ: 1 / 0)
    reply = client.post("{}")
    assert (reply.status, reply.message) == (
        500,
        "An unexpected internal error occurred. Check the logs for more info.",
    )
    assert "ZeroDivisionError" in caplog.text

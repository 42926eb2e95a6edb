from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from envbuild import programs
from tests import __main__ as command
from tests.support import provision
from tests.support.engine import missing_engine
from tests.support.provision import engine_environment

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _no_engine_named(monkeypatch):
    for name in ("DOCKER_HOST", "REGISTRY", "ENGINE_SKIP"):
        monkeypatch.delenv(f"ENVBUILD_TEST_{name}", raising=False)


def test_without_root_there_is_no_engine_and_the_reason_is_said(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with engine_environment() as variables:
        assert variables == {"ENVBUILD_TEST_ENGINE_SKIP": "the container engine needs root"}


def test_without_programs_and_apt_the_reason_names_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with engine_environment() as variables:
        assert "no dockerd, docker-registry" in variables["ENVBUILD_TEST_ENGINE_SKIP"]


def test_a_failed_installation_is_the_reason(monkeypatch, tmp_path):
    (tmp_path / "apt-get").write_text("#!/bin/sh\necho no mirror >&2\nexit 100\n")
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with engine_environment() as variables:
        assert "no mirror" in variables["ENVBUILD_TEST_ENGINE_SKIP"]


def test_an_engine_that_is_named_is_taken_as_it_is(monkeypatch):
    monkeypatch.setenv("ENVBUILD_TEST_DOCKER_HOST", "unix:///somewhere")
    monkeypatch.setenv("ENVBUILD_TEST_REGISTRY", "127.0.0.1:5")
    monkeypatch.setattr(provision, "dockerd", None)
    with engine_environment() as variables:
        assert variables == {}
    assert missing_engine() == ""


def test_without_the_test_command_the_reason_names_it():
    assert "python -m tests" in missing_engine()


@pytest.mark.parametrize(("required", "code"), [("", 0), ("1", 1)])
def test_skipped_engine_tests_fail_where_the_engine_is_required(monkeypatch, required, code):
    monkeypatch.setenv("ENVBUILD_TEST_ENGINE_SKIP", "not today")
    monkeypatch.setenv("ENVBUILD_REQUIRE_ENGINE", required)
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "tests/engine/test_infrastructure.py",
        "-k",
        "port",
    ]
    done = programs.run(argv, cwd=ROOT, check=False)
    assert done.code == code
    assert "not today" in done.stdout


def test_the_test_command_sums_up_and_fails_when_one_part_fails(monkeypatch, capsys):
    failing, fine = (sys.executable, "-c", "raise SystemExit('bad line')"), (sys.executable, "-c", "")
    monkeypatch.setattr(command, "CHECKS", {"format": failing, "types": fine})
    monkeypatch.setattr(
        command, "_pytest", lambda name, arguments: command.Result(name=name, code=0, counts="3 passed")
    )
    monkeypatch.setattr(command, "_engine_tests", lambda arguments, marker: command.Result(name="engine tests", code=0))
    assert command.main(["tests/unit"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "bad line" in lines
    assert lines[-1] == "envbuild: format FAILED, types ok, tests ok (3 passed), engine tests ok"


def test_no_engine_is_started_when_no_test_needs_it(monkeypatch):
    monkeypatch.setattr(command, "missing_parts", None)
    result = command._engine_tests(["tests/unit/support/test_wheel.py"], "engine")
    assert str(result) == "engine tests ok (none asked for)"


def test_the_counts_of_a_run_are_told(tmp_path, capsys):
    (tmp_path / "test_two.py").write_text("def test_one(): ...\ndef test_other(): ...\n")
    result = command._pytest("tests", ["-p", "no:cacheprovider", str(tmp_path / "test_two.py"), "-k", "one"])
    assert str(result) == "tests ok (1 passed, 1 deselected)"

"""The lock that a command line means."""

import json

import pytest

from envbuild.cli.main import run as command
from tests.support.locked_project import project


@pytest.fixture
def here(tmp_path, monkeypatch):
    project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *words):
    code = command([*map(str, words)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


LOOKING = (["tree"], ["why", "alpha"], ["report"], ["export", "-f", "requirements"])


@pytest.mark.parametrize("words", LOOKING, ids=lambda one: one[0])
def test_a_file_that_is_not_there_is_no_definition_without_a_lock(here, capsys, words):
    code, out, err = run(capsys, *words, "nothere.txt")
    assert (code, out) == (3, "")
    assert "nothere.txt: cannot be read" in err


@pytest.mark.parametrize("words", LOOKING, ids=lambda one: one[0])
def test_a_definition_without_a_lock_is_told_how_to_get_one(here, capsys, words):
    (here / "requirements-b.txt").write_text("alpha\n")
    code, _, err = run(capsys, *words, "requirements-b.txt")
    assert code == 4
    assert "hint: run `envbuild lock requirements-b.txt`" in err


@pytest.mark.parametrize("words", LOOKING, ids=lambda one: one[0])
def test_a_platform_that_the_lock_is_not_for(here, capsys, words):
    code, _, err = run(capsys, *words, "--platform", "win-64")
    assert code == 4
    assert "the lock is for linux-64, not for win-64" in err


@pytest.mark.parametrize("name", ["pyproject.toml", "pylock.toml"])
def test_the_definition_or_the_lock_itself(here, capsys, name):
    [first, *_] = json.loads(run(capsys, "tree", name, "--json")[1])
    assert (first["name"], first["manager"]) == ("alpha", "pip")
    [[way]] = json.loads(run(capsys, "why", "Alpha", name, "--json")[1])
    assert way["name"] == "alpha"


def test_a_name_that_is_nearly_one(here, capsys):
    code, out, _ = run(capsys, "why", "alpa")
    assert code == 1
    assert "did you mean alpha?" in out
    assert run(capsys, "why", "alpa", "--json")[:2] == (1, "[]\n")


def test_what_an_export_has_no_place_for_is_said(here, capsys):
    code, _, err = run(capsys, "export", "-f", "explicit")
    assert code == 4
    assert "no conda packages" in err

"""`envbuild diff`: two locks, or all locks since a git revision."""

import json
import os

import pytest

from envbuild import programs
from envbuild.cli.main import run as command
from tests.support.locked_project import make_lock, pip_package, project

pytestmark = pytest.mark.skipif(programs.find("git") is None, reason="git is not there")


def git(folder, *words):
    programs.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *words], cwd=folder)


def run(capsys, *words):
    code = command(["diff", *map(str, words)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def here(tmp_path, monkeypatch):
    for name in [one for one in os.environ if one.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name in ("kept", "moved", "sub/gone"):
        project(tmp_path / name)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "one")
    make_lock(tmp_path / "moved/pyproject.toml", [pip_package("alpha", "1.1")])
    programs.run(["rm", "-r", str(tmp_path / "sub")])
    project(tmp_path / "fresh")
    (tmp_path / "fresh/pylock-notes.txt").write_text("no lock")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_lock_that_differs_is_told_of(here, capsys):
    code, out, _ = run(capsys, "--against", "HEAD")
    assert code == 0
    assert [line for line in out.splitlines() if not line.startswith(" ")] == [
        "fresh/pylock.toml:", "moved/pylock.toml:", "sub/gone/pylock.toml:",
    ]  # fmt: skip
    assert "1.0 -> 1.1" in out
    assert "kept" not in out


def test_as_json_and_as_markdown(here, capsys):
    found = json.loads(run(capsys, "--against", "HEAD", "--json")[1])["locks"]
    assert [(one["lock"], one["kind"]) for one in found] == [
        ("fresh/pylock.toml", "added"), ("moved/pylock.toml", "changed"), ("sub/gone/pylock.toml", "removed"),
    ]  # fmt: skip
    text = run(capsys, "--against", "HEAD", "--format", "markdown")[1]
    assert text.startswith("### fresh/pylock.toml\n\nnew, ")
    assert "1.0 → 1.1" in text


def test_named_locks_alone_and_the_exit_code(here, capsys):
    code, out, _ = run(capsys, "--against", "HEAD", "--exit-code", "moved/pylock.toml")
    assert (code, out.splitlines()[0]) == (1, "moved/pylock.toml:")
    assert "fresh" not in out
    assert run(capsys, "--against", "HEAD", "--exit-code", "kept/pylock.toml")[:2] == (0, "")


def test_below_a_folder_paths_are_named_from_there(here, capsys, monkeypatch):
    monkeypatch.chdir(here / "moved")
    assert run(capsys, "--against", "HEAD")[1].splitlines()[0] == "pylock.toml:"


@pytest.mark.parametrize("words", [["--against", "nosuch"], ["--against=--output=x"], ["one.toml"], []])
def test_what_cannot_be_compared_is_said_in_one_line(here, capsys, words):
    code, out, err = run(capsys, *words)
    assert code in (2, 4)
    assert out == ""
    assert err.startswith("error: ")
    assert not (here / "x").exists()


def test_an_error_is_json_too(here, capsys):
    code, out, _ = run(capsys, "--against", "nosuch", "--json")
    answer = json.loads(out)
    assert (code, answer["ok"], answer["exit_code"]) == (4, False, 4)


def test_outside_of_git(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    code, _, err = run(capsys, "--against", "HEAD")
    assert code == 4
    assert "cannot be compared" in err

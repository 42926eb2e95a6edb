"""When the solver's process is started before the command line is parsed."""

from __future__ import annotations

import pytest

from envbuild.solve import conda_process
from envbuild.solve.conda_process import start_for


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(conda_process, "SolverProcess", lambda: "started")
    (tmp_path / "environment.yml").touch()
    return tmp_path


@pytest.mark.parametrize("argv", [["lock"], ["lock", "environment.yml"], ["lock", "--platform", "linux-64", "-q"]])
def test_a_first_lock_of_a_conda_file_starts_it(argv):
    assert start_for(argv) == "started"


@pytest.mark.parametrize(
    "argv", [[], ["show"], ["lock", "--check"], ["lock", "--solver", "conda-lock"], ["lock", "requirements.txt"]]
)
def test_other_commands_do_not(argv, folder):
    (folder / "requirements.txt").touch()
    assert start_for(argv) is None


def test_a_lock_that_is_there_may_still_answer(folder):
    (folder / "conda-lock.yml").touch()
    assert start_for(["lock"]) is None


def test_a_pyproject_needs_it_only_with_channels(folder):
    (folder / "environment.yml").unlink()
    (folder / "pyproject.toml").write_text("[project]\n")
    assert start_for(["lock"]) is None
    (folder / "pyproject.toml").write_text('[tool.envbuild]\nchannels = ["a"]\n')
    assert start_for(["lock"]) == "started"

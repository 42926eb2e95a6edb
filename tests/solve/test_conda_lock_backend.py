"""`--solver conda-lock`: what it is asked, what it answers, and how it fails. A real run needs a conda on the machine."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild.core.errors import SolveError
from envbuild.core.lock import Lock
from envbuild.formats.detect import write_lock
from envbuild.programs import find
from envbuild.solve import conda_lock_backend as backend
from envbuild.solve.conda_lock_backend import CondaLockSolver
from envbuild.solve.options import SolveOptions
from tests.solve.conda_asking import answer, request
from tests.solve.repodata import Records

HAVE_CONDA = any(map(find, ("micromamba", "mamba", "conda")))


@pytest.fixture
def records():
    channel = Records()
    channel.python("3.11.4")
    channel.add("alpha", "1.0", "python >=3.8")
    channel.add("tool", "2.0", subdir="linux-64", build="h12ab_3", build_number=3)
    return channel


def test_it_is_asked_for_all_platforms_by_one_command():
    command = backend._command("/opt/conda/bin/conda", ["linux-64", "osx-arm64"])
    assert command[1:4] == ["-m", "conda_lock", "lock"]
    assert command[command.index("--conda") + 1] == "/opt/conda/bin/conda"
    assert command[-4:] == ["--platform", "linux-64", "--platform", "osx-arm64"]
    assert "--strip-auth" in command


def test_its_environment_has_the_specs_and_what_pip_sent_back():
    asked = replace(request("python=3.11", "alpha", channels=["c"]), constraints=("numpy <2",))
    assert backend._environment(asked) == {
        "channels": ["c"],
        "dependencies": ["python =3.11", "alpha", "numpy <2"],
    }


def test_its_virtual_packages_are_ours():
    asked = request("python", channels=["c"], virtual=("__glibc=2.35", "__cuda=12.4"))
    packages = backend._virtual([asked])["subdirs"]["linux-64"]["packages"]
    assert packages == {
        "__archspec": "1 x86_64",
        "__cuda": "12.4",
        "__glibc": "2.35",
        "__linux": "5.10",
        "__unix": "0",
    }


def test_its_file_is_read_as_the_other_solvers_answer(records, tmp_path):
    (expected,) = answer(request("python", "alpha", "tool", channels=[records.write(tmp_path)]))
    text = write_lock(Lock(definition_hash="", platforms=("linux-64",), conda=expected.packages), "conda-lock.yml")
    (tmp_path / "conda-lock.yml").write_text(text)
    found = backend._answer("linux-64", backend._read(tmp_path / "conda-lock.yml"))
    # its format has room for neither of these
    plain = tuple(replace(one, size=None, license="", constrains=()) for one in expected.packages)
    assert found.packages == plain


def test_a_program_that_fails_is_told_with_the_lines_that_were_asked(tmp_path, monkeypatch):
    program = tmp_path / "micromamba"
    program.write_text("#!/bin/sh\necho 'the channel is on fire' >&2\nexit 3\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CONDA_EXE", str(program))
    solver = CondaLockSolver()
    solver.open(SolveOptions(solver="conda-lock"), tmp_path)
    with pytest.raises(SolveError) as caught:
        solver.solve([request("python=3.11", channels=["https://conda.example/channel"])])
    assert "environment.yml:1: python=3.11" in str(caught.value)


@pytest.mark.parametrize("wish", [{"offline": True}, {"exclude_newer": "2024-01-01"}, {"mirrors": {"a": ("b",)}}])
def test_what_it_does_not_know_is_refused(wish, monkeypatch):
    monkeypatch.setenv("CONDA_EXE", "/bin/false")
    with pytest.raises(SolveError, match="does not know"):
        CondaLockSolver().open(SolveOptions(**wish), Path())


@pytest.mark.skipif(not HAVE_CONDA, reason="there is no conda, mamba or micromamba on this machine")
def test_a_real_conda_gives_the_answer_of_the_default_solver(records):
    with records as site:
        asked = request("python=3.11", "alpha", "tool", channels=[site.url])
        (expected,) = answer(asked)
        solver = CondaLockSolver()
        solver.open(SolveOptions(), Path())
        (found,) = solver.solve([asked])
    assert [(one.name, one.version, one.build) for one in found.packages] == [
        (one.name, one.version, one.build) for one in expected.packages
    ]

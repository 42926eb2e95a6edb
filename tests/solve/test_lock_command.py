"""`envbuild lock` as a process, on a small channel."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from envbuild.api import lock
from envbuild.core.errors import FileError
from envbuild.programs import Completed, run
from tests.solve.conda_asking import PINNED_BASE
from tests.solve.repodata import Records

ROOT = Path(__file__).parents[2]

TWO = f"""
[tool.envbuild]
base = "{PINNED_BASE}"
channels = ["team"]
platforms = ["linux-64"]

[tool.envbuild.environments.one]
dependencies = ["beta"]

[tool.envbuild.environments.two]
dependencies = ["beta <2"]
"""


@pytest.fixture
def site():
    with Records() as channel:
        channel.add("beta", "1.0")
        channel.add("beta", "2.0", day=30)
        yield channel


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").write_text(TWO)
    return tmp_path


def envbuild(folder: Path, *arguments: str, check: bool = True) -> Completed:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "ENVBUILD_CACHE_DIR": str(folder / "cache")}
    return run([sys.executable, "-m", "envbuild", *arguments], cwd=folder, env=env, check=check)


def test_all_environments_of_a_file_are_locked_and_checked_by_one_command(project, site):
    envbuild(project, "lock", "--all", "--mirror", f"team={site.url}")
    assert sorted(path.name for path in project.glob("*lock*")) == ["conda-lock.one.yml", "conda-lock.two.yml"]
    assert envbuild(project, "lock", "--all", "--check").stdout.count("fresh") == 2
    (project / "pyproject.toml").write_text(TWO.replace("beta <2", "beta <1"))
    stale = envbuild(project, "lock", "--all", "--check", check=False)
    assert stale.code == 1
    assert stale.stdout.count("stale") == 1


def test_a_mirror_may_stand_for_a_channels_name(project, site):
    envbuild(project, "lock", "-e", "one", "--mirror", f"team={site.url}")
    assert "127.0.0.1" not in (project / "conda-lock.one.yml").read_text()


def test_a_dry_run_prints_what_would_move_and_writes_nothing(project, site):
    mirror = ("--mirror", f"team={site.url}")
    envbuild(project, "lock", "-e", "one", *mirror)
    before = (project / "conda-lock.one.yml").read_bytes()
    (project / "pyproject.toml").write_text(TWO.replace('["beta"]', '["beta <2"]'))
    said = envbuild(project, "lock", "-e", "one", "--dry-run", *mirror).stdout
    data = json.loads(envbuild(project, "lock", "-e", "one", "--dry-run", "--json", *mirror).stdout)
    assert (project / "conda-lock.one.yml").read_bytes() == before
    assert "would be written" in said
    assert "~ beta" in said
    assert [one["name"] for one in data["changes"]] == ["beta"]


def test_all_and_one_of_them_contradict_each_other(project):
    refused = envbuild(project, "lock", "--all", "-e", "one", check=False)
    assert refused.code == 2
    assert "--all" in refused.stderr


@pytest.mark.parametrize("mirror", ["team=/folder", "team", "team=ftp://mirror.example/team"])
def test_a_mirror_that_is_no_url_is_refused_in_one_line(project, mirror):
    refused = envbuild(project, "lock", "-e", "one", "--mirror", mirror, check=False)
    assert refused.code == 2
    assert "is not CHANNEL=URL" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_lock_of_another_tool_is_imported(project, site):
    envbuild(project, "lock", "-e", "one", "--mirror", f"team={site.url}")
    envbuild(project, "import", "conda-lock.one.yml", "-o", "conda-lock.new.yml")
    assert "beta" in (project / "conda-lock.new.yml").read_text()


def test_nothing_is_solved_for_a_folder_that_cannot_be_written(project):
    # nobody answers there: whoever asked would end with another code
    refused = envbuild(
        project,
        "lock",
        "-e",
        "one",
        "--mirror",
        "team=http://127.0.0.1:9",
        "-o",
        "pyproject.toml/lock.yml",
        check=False,
    )
    assert refused.code == 12
    assert "the folder pyproject.toml cannot be written: Not a directory" in refused.stderr


def test_a_folder_that_may_only_be_read_does_for_a_lock_that_stays(project, site, monkeypatch):
    envbuild(project, "lock", "-e", "one", "--mirror", f"team={site.url}")
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    definition = project / "pyproject.toml"
    assert not lock(definition, environment="one").written
    definition.write_text(TWO.replace('["beta"]', '["beta <2"]'))
    with pytest.raises(FileError, match="cannot be written"):
        lock(definition, environment="one")

"""The folder of a workspace: made once, found upwards, with settings."""

import json

import pytest

from envbuild.core.errors import WorkspaceError
from envbuild.workspace.workspace import Workspace


def test_it_is_found_from_below(tmp_path):
    Workspace.create(tmp_path, "mine")
    (tmp_path / "a/b").mkdir(parents=True)
    assert Workspace.find(tmp_path / "a/b").name == "mine"


def test_where_there_is_none_it_says_so(tmp_path):
    with pytest.raises(WorkspaceError, match="in no workspace"):
        Workspace.find(tmp_path)


def test_to_make_it_twice_changes_nothing(tmp_path):
    Workspace.create(tmp_path, "mine")
    assert Workspace.create(tmp_path, "other").name == "mine"


def test_settings_change_one_by_one(tmp_path):
    workspace = Workspace.create(tmp_path, "mine")
    workspace.change_settings(registry="127.0.0.1:5000")
    assert Workspace.find(tmp_path).registry == "127.0.0.1:5000"
    workspace.change_settings(registry=None)
    assert json.loads((tmp_path / ".envbuild/config.json").read_text()) == {"name": "mine"}


def test_its_files_stay_out_of_version_control(tmp_path):
    Workspace.create(tmp_path)
    assert (tmp_path / ".envbuild/.gitignore").read_text() == "*\n"


def test_broken_settings_are_named(tmp_path):
    workspace = Workspace.create(tmp_path)
    (tmp_path / ".envbuild/config.json").write_text("{")
    with pytest.raises(WorkspaceError, match=r"config\.json"):
        workspace.name  # noqa: B018

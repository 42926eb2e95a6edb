"""What the tests of this room share: a workspace in a folder of its own, and no credentials of the user's."""

import pytest

from envbuild.azureml.core import Workspace


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))


@pytest.fixture
def ws(tmp_path):
    return Workspace.create("mine", path=tmp_path)

"""What the conformance tests share: a project folder with a workspace, and no credentials of the user's."""

import warnings

import pytest

from envbuild.azureml.core import Workspace
from tests.support.channel import python_module


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def ws(project):
    return Workspace.create("mine")


@pytest.fixture
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def service_channel(channel, conda_python, index):
    """A channel with Python, and what our server needs on an index without granian's program."""
    for one in (*conda_python, python_module("adder", "1.0")):
        channel.add(one)
    index.add("werkzeug", "3.0", files={"werkzeug/__init__.py": ""})
    index.add("granian", "2.0", files={"granian_is_not_here.py": ""})
    return channel


@pytest.fixture
def trusted(on_engine, ca_bundle, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_bundle))


@pytest.fixture
def env(ws, service_channel, index, release_image, trusted):
    from tests.azureml.test_environments import of_channel

    ws.core.change_settings(build_network="host")
    made = of_channel("myenv", service_channel, "adder=1.0", "pip", pip=["azureml-defaults"])
    made.python.conda_dependencies.set_pip_index_url(f"--index-url {index.url}")
    made.docker.base_image = release_image("ubuntu", "24.04").reference
    return made

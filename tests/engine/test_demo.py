"""`envbuild demo` with a container: real packages, a real model, a real engine."""

import json
import sys

import pytest

from envbuild.cli.main import run

pytestmark = [
    pytest.mark.engine,
    pytest.mark.index,
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the local base image has Python 3.11"),
]


def test_the_demo_serves_its_model_in_a_container(base_image, on_engine, tmp_path, capsys):
    folder = tmp_path / "demo"
    assert run(["demo", str(folder), "--base", base_image.reference, "--engine", "docker", "--json", "-q"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["served_by"] == "docker"
    assert made["answer"] == ["setosa", "virginica"]
    assert (folder / "pylock.toml").is_file()
    assert (folder / "package/azureml-app/azureml-models/iris/1/model.joblib").is_file()
    assert len(made["image_key"]) == 64
    assert set(made["seconds"]) == {
        "lock the environment",
        "install it and train the model",
        "register the model",
        "package model, script and lock",
        "serve the package and ask it",
    }


@pytest.mark.slow
def test_the_demo_serves_as_a_process_where_there_is_no_engine(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nobody/listens/here.sock")
    assert run(["demo", str(tmp_path / "demo"), "--engine", "local", "--json", "-q"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["served_by"] == "local"
    assert made["answer"] == ["setosa", "virginica"]

"""`envbuild bake` from the command line, on locks that are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.image_rendered import made_up_lock
from envbuild.cli.main import run
from envbuild.lockfile import lock_path, store_lock
from envbuild.read import read_definition

PROJECT = """
[tool.envbuild.environments.train]
python = "3.11"
pip = ["six"]
base = "registry.example/python:1"

[tool.envbuild.environments.serve]
python = "3.11"
pip = ["six"]
base = "registry.example/python:1"
image = { pip-installer = "pip" }
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "pyproject.toml"
    path.write_text(PROJECT)
    for name in ("train", "serve"):
        lock = made_up_lock(read_definition(path, environment=name), tmp_path)
        store_lock(lock_path(path, lock, name), lock)
    return path


def test_every_environment_becomes_a_target_with_its_context(project, tmp_path, capsys):
    out = tmp_path / "out"
    options = [
        "--locked",
        "--push",
        "--tag",
        "r.example/{environment}:{key}",
        "--cache-to",
        "type=registry,ref=r.example/c:{environment}",
    ]
    assert run(["bake", str(project), "-o", str(out), "--quiet", "--json", *options]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["file"] == str(out / "docker-bake.json")
    content = json.loads((out / "docker-bake.json").read_text())
    assert content["group"]["default"]["targets"] == ["train", "serve"]
    train = content["target"]["train"]
    assert train["tags"] == [one["tags"][0] for one in said["targets"] if one["target"] == "train"]
    assert train["tags"][0].startswith("r.example/train:")
    assert train["output"] == ["type=registry"]
    assert train["cache-to"] == ["type=registry,ref=r.example/c:train"]
    assert "uv pip install" in (out / "train/Dockerfile").read_text()
    assert "-m pip install" in (out / "serve/Dockerfile").read_text()


def test_one_environment_and_another_installer_can_be_chosen(project, tmp_path):
    out = tmp_path / "out"
    assert run(["bake", str(project), "-e", "serve", "-o", str(out), "-q", "--locked", "--pip-installer", "uv"]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["docker-bake.json", "serve"]
    assert "uv pip install" in (out / "serve/Dockerfile").read_text()


def test_what_cannot_be_is_refused_and_leaves_nothing(project, tmp_path, capsys):
    assert run(["bake", str(project), "-o", str(tmp_path / "out"), "--push"]) == 2
    assert "no name to push the images under" in capsys.readouterr().err
    assert run(["bake", str(project), "-o", str(tmp_path / "out"), "--secret", "ca"]) == 2
    assert run(["bake", str(project), "-e", "other", "-o", str(tmp_path / "out")]) == 3
    assert not (tmp_path / "out").exists()

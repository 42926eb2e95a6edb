"""All environments of a project as one bake file; buildx itself is a program that records how it was called."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild.context import Context, ContextFile
from envbuild.core.errors import EngineError, EnvbuildError
from envbuild.engines import bake as module
from envbuild.engines.bake import BakeTarget, bake, bake_file, target_name, write_bake
from envbuild.engines.docker import Client
from envbuild.engines.protocol import BuildOptions

CPU = BakeTarget(
    name="cpu",
    context=Context(dockerfile="FROM x\n", files=(ContextFile(path="a", content=b"1"),), secrets=("ca", "netrc")),
    tags=("envbuild/envbuild_1", "r.example/cpu:1"),
    platform="linux/amd64",
    cache_from=("type=registry,ref=r.example/cache:cpu",),
    cache_to=("type=registry,ref=r.example/cache:cpu,mode=max",),
)
GPU = BakeTarget(name="gpu", context=Context(dockerfile="FROM y\n"), tags=("r.example/gpu:1",), platform="linux/arm64")


def test_the_file_says_all_that_was_asked(tmp_path: Path) -> None:
    options = BuildOptions(
        push=True, no_cache=True, pull=True, build_args=(("A", "${B} %{x}"),), ssh=("default",), network="host"
    )
    assert json.loads(bake_file([CPU, GPU], options, {"ca": tmp_path / "ca.pem", "pip.conf": tmp_path / "unused"})) == {
        "group": {"default": {"targets": ["cpu", "gpu"]}},
        "target": {
            "cpu": {
                "context": "cpu",
                "tags": ["envbuild/envbuild_1", "r.example/cpu:1"],
                "platforms": ["linux/amd64"],
                "args": {"A": "$${B} %%{x}"},
                "secret": [f"id=ca,src={tmp_path}/ca.pem"],
                "ssh": ["default"],
                "network": "host",
                "cache-from": ["type=registry,ref=r.example/cache:cpu"],
                "cache-to": ["type=registry,ref=r.example/cache:cpu,mode=max"],
                "output": ["type=registry"],
                "no-cache": True,
                "pull": True,
            },
            "gpu": {
                "context": "gpu",
                "tags": ["r.example/gpu:1"],
                "platforms": ["linux/arm64"],
                "args": {"A": "$${B} %%{x}"},
                "ssh": ["default"],
                "network": "host",
                "output": ["type=registry"],
                "no-cache": True,
                "pull": True,
            },
        },
    }


def test_nothing_is_said_that_was_not_asked() -> None:
    found = json.loads(bake_file([GPU]))["target"]["gpu"]
    assert found == {"context": "gpu", "tags": ["r.example/gpu:1"], "platforms": ["linux/arm64"]}
    assert json.loads(bake_file([GPU], BuildOptions(load=True)))["target"]["gpu"]["output"] == ["type=docker"]


def test_two_environments_of_one_name_and_none_at_all_are_refused() -> None:
    with pytest.raises(EngineError, match="several environments would be the target cpu"):
        bake_file([CPU, replace(GPU, name="cpu")])
    with pytest.raises(EngineError, match="nothing to bake"):
        bake_file([])


@pytest.mark.parametrize(("text", "name"), [("my env.2", "my-env-2"), ("gpu_1-a", "gpu_1-a"), ("…", "image")])
def test_a_targets_name_is_one_that_bake_allows(text: str, name: str) -> None:
    assert target_name(text) == name


def test_the_folder_is_written_in_one_step(tmp_path: Path) -> None:
    write_bake([CPU, GPU], bake_file([CPU, GPU]), tmp_path / "out")
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert found == ["cpu/Dockerfile", "cpu/a", "docker-bake.json", "gpu/Dockerfile"]
    with pytest.raises(EnvbuildError, match="already exists"):
        write_bake([CPU], bake_file([CPU]), tmp_path / "out")
    write_bake([CPU], bake_file([CPU]), tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out/gpu").exists()


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker with buildx that records its folder and arguments, and fails where `fail` lies beside it."""
    program = tmp_path / "docker"
    program.write_text(
        f'#!/bin/sh\n[ "$3" != --help ] || {{ cat {tmp_path}/help; exit; }}\n{{ pwd; printf "%s\\n" "$@"; }} > {tmp_path}/record\n[ ! -e {tmp_path}/fail ] || {{ echo broken; exit 1; }}\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(module, "find_clients", lambda: (Client(path=str(program), version="29.0.1", buildx=True),))
    return tmp_path / "record"


def test_buildx_is_called_exactly_so(recorder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    bake(tmp_path / "out", options=BuildOptions(builder="farm"))
    assert recorder.read_text().splitlines() == [
        str(tmp_path / "out"),
        "buildx",
        "bake",
        "--file=docker-bake.json",
        "--progress=plain",
        "--builder=farm",
    ]


@pytest.mark.parametrize(
    ("help_text", "said"), [("--allow stringArray", ["--allow=network.host", "--allow=ssh"]), ("", [])]
)
def test_the_leave_that_options_give_is_passed_on_where_buildx_asks_for_it(
    recorder: Path, tmp_path: Path, help_text: str, said: list[str]
) -> None:
    (tmp_path / "help").write_text(help_text)
    bake(tmp_path, options=BuildOptions(network="host", ssh=("default",)))
    assert [line for line in recorder.read_text().splitlines() if line.startswith("--allow")] == said


def test_a_failed_bake_tells_its_last_lines(recorder: Path, tmp_path: Path) -> None:
    (tmp_path / "fail").touch()
    with pytest.raises(EngineError, match=r"(?s)docker-bake.json failed.*\| broken"):
        bake(tmp_path)


def test_without_buildx_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "find_clients", lambda: (Client(path="docker", version="20.10", buildx=False),))
    with pytest.raises(EngineError, match="no docker program with buildx"):
        bake(tmp_path)

"""Assembling as a process: the same on any machine, whole after any kill, bounded in memory, accepted by other tools."""

from __future__ import annotations

import json
import os
import random
import shlex
import sys
import time
from pathlib import Path

import pytest
import uv

from envbuild import programs
from envbuild.engines.oci.annotations import BYTECODE
from envbuild.net.oci_layout import image_source
from tests.oci.making import from_wheel, on_disk
from tests.support.wheel import make_wheel

ROOT = Path(__file__).parents[2]


def environment(cache: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
    return {**kept, "HOME": str(cache), "ENVBUILD_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT), **more}


def argv(folder: Path, output: str = "", settings: str = "{}", python: str = sys.executable) -> list[str]:
    return [python, "-m", "tests.oci.build", str(folder), output, settings]


def build(
    folder: Path, cache: Path, *, cwd: Path = ROOT, python: str = sys.executable, settings: str = "{}", **more: str
) -> dict[str, object]:
    cache.mkdir(parents=True, exist_ok=True)
    said = programs.run(argv(folder, "", settings, python), cwd=cwd, env=environment(cache, **more)).stdout
    return dict(json.loads(said))


def test_the_bytecode_of_the_base_s_interpreter_is_in_the_image(folder, tmp_path):
    build(folder, tmp_path / "cache")
    image = image_source(tmp_path / "cache" / "images", "demo/image:1").resolve(linux())
    assert json.loads(image.manifest)["annotations"][BYTECODE] == "unchecked-hash"


def test_home_folder_umask_time_zone_and_hash_seed_do_not_matter(folder, tmp_path):
    first = build(folder, tmp_path / "one", PYTHONHASHSEED="1", TZ="UTC")
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    script = f"umask 077 && exec {shlex.join(argv(folder))}"
    env = environment(elsewhere / "cache", PYTHONHASHSEED="2", TZ="Asia/Tokyo", LC_ALL="C", HOME=str(elsewhere))
    (elsewhere / "cache").mkdir()
    said = programs.run(["sh", "-c", script], cwd=elsewhere, env=env).stdout
    assert {**json.loads(said), "memory": 0} == {**first, "memory": 0}


@pytest.mark.index
@pytest.mark.parametrize("version", ["3.10", "3.13"])
def test_the_python_that_runs_envbuild_does_not_matter(folder, tmp_path, version):
    environment_folder = tmp_path / "environment"
    found = programs.run(
        [uv.find_uv_bin(), "python", "find", "--no-config", "--no-python-downloads", version], check=False
    )
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    python = found.stdout.strip() if found.code == 0 else str(pyenv[-1]) if pyenv else ""
    if not python:
        pytest.skip(f"no Python {version} on this machine")
    programs.run([uv.find_uv_bin(), "venv", "-q", "--python", python, str(environment_folder)])
    import isal

    needed = [
        "installer",
        f"isal=={isal.__version__}",
        "packaging",
        "requests",
        "tomli",
        "uv",
        "zstandard",
        "jinja2",
        "ruamel.yaml",
    ]
    other = str(environment_folder / "bin/python")
    programs.run([uv.find_uv_bin(), "pip", "install", "-q", "--python", other, *needed])
    mine = build(folder, tmp_path / "mine")
    theirs = build(folder, tmp_path / "theirs", python=other)
    assert {**theirs, "memory": 0} == {**mine, "memory": 0}


def test_a_killed_build_leaves_nothing_that_harms_the_next(folder, tmp_path):
    start = time.monotonic()
    right = build(folder, tmp_path / "right")["digest"]
    whole, chance = time.monotonic() - start, random.Random(50)
    for number in range(5):
        cache = tmp_path / f"cache-{number}"
        cache.mkdir()
        for _ in range(10):
            with (tmp_path / "log").open("wb"):
                process = programs.start(argv(folder), log=tmp_path / "log", cwd=ROOT, env=environment(cache))
            time.sleep(chance.uniform(0.05, whole * 0.7))
            process.kill()
            process.wait()
        assert build(folder, cache)["digest"] == right


def test_two_builds_at_once_give_one_image(folder, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    processes = [
        programs.start(argv(folder), log=tmp_path / f"log-{number}", cwd=ROOT, env=environment(cache))
        for number in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    digests = {json.loads((tmp_path / f"log-{number}").read_text())["digest"] for number in range(3)}
    assert digests == {build(folder, tmp_path / "alone")["digest"]}


def test_memory_stays_bounded_whatever_the_packages_weigh(folder, tmp_path):
    block = random.Random(0).randbytes(1 << 20)
    large = {f"large/{number}.bin": block for number in range(40)}
    large["large/_lib.so"] = b"\x7fELF" + bytes(600 << 20)
    from_wheel(folder / "wheels", "large", "1.0", make_wheel("large", "1.0", files=large))
    for number in range(300):
        on_disk(folder / "wheels", f"small{number}", "1.0", files={f"small{number}/__init__.py": "x = 1\n" * 200})
    assert int(str(build(folder, tmp_path / "cache")["memory"])) < 500


@pytest.mark.parametrize("compression", ["gzip", "zlib", "none"])
def test_umoci_unpacks_the_layout(folder, tmp_path, compression):
    if programs.find("umoci") is None:
        pytest.skip("umoci is not there")
    cache = tmp_path / "cache"
    cache.mkdir()
    settings = json.dumps({"compression": compression})
    programs.run(argv(folder, f"oci:{tmp_path}/layout", settings), cwd=ROOT, env=environment(cache))
    image = f"{tmp_path}/layout:demo/image:1"
    index = json.loads((tmp_path / "layout/index.json").read_text())
    index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = "one"
    (tmp_path / "layout/index.json").write_text(json.dumps(index))
    image = f"{tmp_path}/layout:one"
    programs.run(["umoci", "unpack", "--rootless", "--image", image, str(tmp_path / "bundle")])
    rootfs = tmp_path / "bundle/rootfs"
    assert (rootfs / "bin").is_symlink()
    assert (rootfs / "opt/env/lib").is_dir()
    said = json.loads((tmp_path / "bundle/config.json").read_text())
    assert said["process"]["cwd"] == "/var/azureml-app"
    assert said["process"]["args"] == ["python", "/var/azureml-app/server.py"]


def test_skopeo_reads_all_that_is_written(folder, tmp_path):
    if programs.find("skopeo") is None:
        pytest.skip("skopeo is not there")
    cache = tmp_path / "cache"
    cache.mkdir()
    found = set()
    for kind in ("oci-archive", "docker-archive"):
        path = tmp_path / f"{kind}.tar"
        programs.run(argv(folder, f"{kind}:{path}"), cwd=ROOT, env=environment(cache))
        said = json.loads(programs.run(["skopeo", "inspect", "--config", f"{kind}:{path}"]).stdout)
        found.add(json.dumps(said, sort_keys=True))
    assert len(found) == 1


def linux():
    from envbuild.core.platforms import image_platform

    return image_platform()

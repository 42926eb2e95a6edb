"""`envbuild-image-reproducible` on a real engine and on the oci engine: once passing, once failing with the file that it names."""

import sys

import pytest
import yaml

from envbuild import programs
from envbuild.core.lock import Lock, LockedBase, LockedPython
from envbuild.hooks.targets import find_targets
from envbuild.hooks.twice import build_twice
from envbuild.lockfile import store_lock
from envbuild.read import read_definition
from tests.precommit.test_hooks import HOOKS, environment
from tests.support.index import Index
from tests.support.installers import locked, publish_installers

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def server():
    with Index() as index:
        yield index, publish_installers(index)


@pytest.fixture
def project(tmp_path, base_image, server):
    """A function that writes a locked project on the base image, with further lines in its table."""
    index, tools = server
    adder = index.add("adder", "1.0", files={"adder.py": "x = 1\n"})

    def write(more=""):
        definition = tmp_path / "pyproject.toml"
        definition.write_text(
            f'[tool.envbuild]\nbase = "{base_image.reference}"\npython = "3.11"\nallow-distribution = ["debian"]\n'
            f'pip = ["adder"]\nindex-url = "{index.url}"\n{more}'
        )
        read = read_definition(definition)
        lock = Lock(
            definition_hash=read.hash,
            platforms=("linux-64",),
            pip=(locked(index, adder),),
            tools=tools,
            index_url=index.url,
            python=LockedPython(version="3.11", provider="base", interpreter="/usr/bin/python3"),
            base=LockedBase(reference=base_image.reference, digest=base_image.digest, distribution="debian 12"),
            sources=read.sources,
        )
        store_lock(tmp_path / "pylock.toml", lock)
        return definition

    return write


def images(engine):
    """All images; docker lists those of one second in any order."""
    return sorted(engine.docker("image", "ls", "-q").stdout.split())


def test_two_builds_of_docker_have_equal_trees_and_leave_nothing(project, on_engine):
    before = images(on_engine)
    [target] = find_targets([project()]).targets
    found = build_twice(target, engine="docker", network="host")
    assert found.differing == ()
    assert images(on_engine) == before


def test_two_builds_of_oci_are_one_digest(project, on_engine):
    [target] = find_targets([project()]).targets
    found = build_twice(target, engine="oci")
    assert found.same_digest
    assert found.differing == ()


@pytest.mark.slow
def test_the_hook_in_its_manual_stage_names_the_file_that_differs(project, on_engine, tmp_path):
    definition = project()
    hook = {
        **HOOKS["envbuild-image-reproducible"],
        "language": "system",
        "args": ["--engine", "docker", "--network", "host"],
    }
    hook["entry"] = f"{sys.executable} -m {hook['entry']}"
    hook.pop("minimum_pre_commit_version")
    (tmp_path / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [{"repo": "local", "hooks": [hook]}]}))
    env = {**environment(tmp_path / "home"), **on_engine.settings()}
    env["PATH"] = f"{on_engine.folder / 'bin'}:{environment(tmp_path)['PATH']}"
    programs.run(["git", "init", "-q"], cwd=tmp_path, env=env)
    argv = [
        sys.executable,
        "-m",
        "pre_commit",
        "run",
        "--all-files",
        "--color=never",
        "--hook-stage",
        "manual",
        hook["id"],
    ]

    def run():
        programs.run(["git", "add", "pyproject.toml", "pylock.toml", ".pre-commit-config.yaml"], cwd=tmp_path, env=env)
        return programs.run(argv, cwd=tmp_path, env=env, check=False)

    done = run()
    assert done.code == 0, done.stdout + done.stderr
    assert "two builds" in done.stdout
    project('docker-steps = ["RUN date +%s%N > /stamp"]\n')
    assert definition.is_file()
    done = run()
    assert done.code == 1, done.stdout
    assert "stamp" in done.stdout
    assert "find the step that writes them" in done.stdout

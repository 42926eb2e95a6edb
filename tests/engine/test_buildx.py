"""A real buildx, on the engine's own builder and on builders that are processes of their own (driver `remote`)."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild import programs
from envbuild.cli.main import run
from envbuild.core.errors import EngineError
from envbuild.core.plan import Plan, make_plan
from envbuild.core.reference import ImageReference
from envbuild.engines.docker import DockerEngine
from envbuild.engines.making import Wish, make_image
from envbuild.engines.protocol import BuildOptions
from envbuild.net.registry import RegistryClient
from tests.support import buildx
from tests.support.daemons import temporary_folder
from tests.support.engine import Engine
from tests.support.index import Index
from tests.support.small_plan import downloads, plan_of

pytestmark = [pytest.mark.engine, pytest.mark.found(buildx.PLUGIN)]
far = pytest.mark.found("buildkitd")

HOST = BuildOptions(network="host")


@pytest.fixture(scope="module")
def builders(registry) -> Iterator[tuple[str, str]]:
    """Two buildkitds, which have nothing of each other's nor of the engine's."""
    with (
        temporary_folder() as one,
        temporary_folder() as other,
        buildx.buildkitd(one, registry) as first,
        buildx.buildkitd(other, registry) as second,
    ):
        yield first, second


@pytest.fixture
def with_buildx(on_engine, tmp_path, monkeypatch) -> Engine:
    """The engine, by a client that has the plugin."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    buildx.install(tmp_path / "docker")
    return on_engine


@pytest.fixture
def with_builders(with_buildx, builders) -> Engine:
    """The same, which knows the two buildkitds as the builders `near` and `far`."""
    for name, address in zip(("near", "far"), builders, strict=True):
        argv = [with_buildx.client, "buildx", "create", f"--name={name}", "--driver=remote", address]
        programs.run(argv)
    return with_buildx


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as server:
        # an engine and a registry that outlive a run have the last run's
        server.add("adder", "1.0", files={"adder.py": f"x = {os.getpid()}\n"})
        yield server


@pytest.fixture
def plan(index, base_image, request) -> Plan:
    return plan_of(index, base_image, f"print('{request.node.name}')\n")


def test_the_engines_own_builder_builds_and_pushes(with_buildx, plan):
    name = f"{with_buildx.registry}/buildx/own:{os.getpid()}"
    image = make_image(Wish(plans=(plan,), tags=(name,), options=replace(HOST, push=True)))
    assert image.built
    assert image.digest == RegistryClient().digest(ImageReference.parse(name))
    assert DockerEngine().inspect(plan.image_name).id == image.id
    assert image.size > 1_000_000


@far
def test_a_builder_elsewhere_pushes_and_leaves_nothing_here(with_builders, plan):
    name = f"{with_builders.registry}/buildx/far:{os.getpid()}"
    options = replace(HOST, push=True, builder="near")
    image = make_image(Wish(plans=(plan,), tags=(name,), options=options))
    assert image.built
    assert image.digest == RegistryClient().digest(ImageReference.parse(name))
    assert DockerEngine().inspect(name) is None
    again = make_image(Wish(plans=(plan,), tags=(name,), options=options))
    assert (again.built, again.digest) == (False, image.digest)


@far
def test_a_builder_elsewhere_loads_into_the_engine(with_builders, plan):
    image = make_image(Wish(plans=(plan,), tags=("loaded:1",), options=replace(HOST, builder="near"), reuse=False))
    found = DockerEngine().inspect("loaded:1")
    assert image.built
    assert found.id == image.id
    assert with_builders.run("loaded:1", "python", "-c", "import adder; print(adder.x)").strip() == str(os.getpid())


@far
def test_what_one_builder_put_into_a_cache_the_other_does_not_build(with_builders, index, base_image):
    cache = f"type=registry,ref={with_builders.registry}/buildx/cache:{os.getpid()}"
    name = f"{with_builders.registry}/buildx/cached:{os.getpid()}"
    plan = plan_of(index, base_image, "print('one')\n")
    options = replace(HOST, push=True, builder="near", cache_to=(f"{cache},mode=max",))
    make_image(Wish(plans=(plan,), tags=(name,), options=options))
    fetched = len(downloads(index))
    assert fetched > 0

    changed = plan_of(index, base_image, "print('other')\n")
    options = replace(HOST, push=True, builder="far", cache_from=(cache,))
    built = make_image(Wish(plans=(changed,), tags=(name,), options=options))
    assert built.built
    assert len(downloads(index)) == fetched


@far
def test_a_failed_step_of_a_builder_elsewhere_is_named(with_builders, plan):
    wheel = replace(plan.lock.pip[0].wheels[0], hashes=(("sha256", "0" * 64),))
    lock = replace(plan.lock, pip=(replace(plan.lock.pip[0], wheels=(wheel,)),))
    broken = make_plan(plan.definition, lock, app=plan.app)
    with pytest.raises(EngineError, match=r"the pip step of the build failed \(Dockerfile:\d+\)"):
        make_image(Wish(plans=(broken,), options=replace(HOST, builder="near")))


@far
def test_an_output_of_a_builder_elsewhere_is_a_file_here(with_builders, plan, tmp_path):
    output = f"type=oci,dest={tmp_path}/image.tar"
    make_image(Wish(plans=(plan,), options=replace(HOST, builder="near", output=output), engine="docker"))
    with tarfile.open(tmp_path / "image.tar") as archive:
        assert "index.json" in archive.getnames()


def project(index: Index, base_image, folder: Path) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(
        f'[tool.envbuild]\nbase = "{base_image.reference}"\nallow-distribution = ["debian"]\npython = "3.11"\n'
        f'index-url = "{index.url}"\n[tool.envbuild.environments.train]\npip = ["adder"]\n'
        f'[tool.envbuild.environments.serve]\npip = ["adder"]\nvariables = {{ SERVES = "1" }}\n'
    )
    return path


@pytest.mark.parametrize("builder", [None, pytest.param("near", marks=far)])
def test_all_environments_are_baked(builder, request, index, base_image, tmp_path):
    engine = request.getfixturevalue("with_builders" if builder else "with_buildx")
    path = project(index, base_image, tmp_path)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine nowhere.example login me password secret\n")
    folder = tmp_path / "bake"
    tag = f"{engine.registry}/buildx/{{environment}}:{os.getpid()}"
    said = [
        "--push",
        "--build",
        "--network=host",
        f"--secret=netrc={netrc}",
        *([f"--builder={builder}"] if builder else []),
    ]
    assert run(["bake", str(path), f"--tag={tag}", f"--output-dir={folder}", *said]) == 0
    baked = json.loads((folder / "docker-bake.json").read_text())["target"]
    for one in baked.values():
        assert RegistryClient().digest(ImageReference.parse(one["tags"][0])) is not None
    assert len(downloads(index)) == len(set(downloads(index)))

"""Two engines and one registry: what one built, the other does not build again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from envbuild.engines.docker import DockerEngine
from envbuild.engines.making import Wish, make_image
from envbuild.engines.protocol import BuildOptions
from tests.support.daemons import dockerd, temporary_folder
from tests.support.index import Index
from tests.support.small_plan import downloads, plan_of

pytestmark = pytest.mark.engine

PUSH = BuildOptions(network="host", push=True, cache_to=("type=inline",))


@pytest.fixture(scope="module")
def other_engine(engine) -> Iterator[str]:
    """A second docker engine, which has nothing of the first one's."""
    with temporary_folder() as folder, dockerd(folder) as host:
        yield host


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as server:
        # an engine and a registry that outlive a run have the last run's
        server.add("adder", "1.0", files={"adder.py": f"x = {os.getpid()}\n"})
        yield server


@pytest.mark.parametrize("kind", ["buildkit", "rest"])
def test_what_one_engine_built_the_other_finds_by_its_key_or_in_its_cache(  # noqa: PLR0917
    kind, on_engine, other_engine, index, base_image, monkeypatch
):
    monkeypatch.setattr(DockerEngine, "builder", (kind, "" if kind == "rest" else on_engine.client))
    name = f"{on_engine.registry}/shared/{kind}:1"
    plan = plan_of(index, base_image, f"print('{kind}')\n")
    first = make_image(Wish(plans=(plan,), tags=(name,), options=PUSH))
    assert first.built
    fetched = len(downloads(index))
    assert fetched > 0

    # another machine: the same lock is found by its key's tag, and nothing is built or fetched
    monkeypatch.setenv("DOCKER_HOST", other_engine)
    again = make_image(Wish(plans=(plan,), tags=(name,), options=PUSH))
    assert (again.built, again.engine, again.digest) == (False, "registry", first.digest)
    assert DockerEngine().inspect(plan.image_name) is None

    # another script: the dependency layer comes from the pushed image's inline cache
    changed = plan_of(index, base_image, f"print('changed by {kind}')\n")
    cached = replace(PUSH, push=False, cache_from=(f"type=registry,ref={name}",))
    built = make_image(Wish(plans=(changed,), tags=(name,), options=cached))
    assert built.built
    assert len(downloads(index)) == fetched
    theirs, ours = layers_of(other_engine, name, monkeypatch), layers_of(on_engine.docker_host, name, monkeypatch)
    assert theirs[:-1] == ours[:-1]
    assert theirs[-1] != ours[-1]


def layers_of(host: str, name: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("DOCKER_HOST", host)
    return list(DockerEngine().client.images.get(name).attrs["RootFS"]["Layers"])

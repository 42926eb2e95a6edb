"""The way into an engine that keeps layers for images only, as docker's `load` does."""

import io
import json
import os
import shutil
import tarfile
import threading
import time
from types import SimpleNamespace

import pytest

from envbuild.core.errors import EngineError
from envbuild.engines.docker_socket import in_memory
from envbuild.engines.oci import into_docker as module
from envbuild.engines.oci.assemble import Assembler
from envbuild.engines.oci.into_docker import PARTIAL, KnownLayers, into_docker
from envbuild.engines.oci.settings import OciSettings
from tests.oci.making import MERGED_USR, layout, on_disk, plan, service

NAMES = ("demo/image:1", "demo/other:2")


class Daemon:
    """The images of an engine: layers by id, ids by name, and of each load how many layers it left out, all, and the names."""

    is_near = True

    def __init__(self, *, blobs=False, refuses=0):
        self.has, self.named, self.loads, self.removed = {}, {}, [], []
        self.blobs, self.refuses = blobs, refuses

    def keep_layers(self):
        return not self.blobs

    def layers(self):
        return iter(list(self.has.values()))

    def inspect(self, name):
        return self.named.get(name)

    def remove(self, identity):
        self.removed.append(identity)
        del self.has[identity]

    def load(self, size, pieces):
        data = b"".join(in_memory(pieces))
        assert len(data) == size
        if self.refuses:
            self.refuses -= 1
            raise EngineError("there is no room")
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            files = {one.name: archive.extractfile(one).read() for one in archive}
        (entry,) = json.loads(files["manifest.json"])
        config = json.loads(files[entry["Config"]])
        diff_ids = config["rootfs"]["diff_ids"]
        present = sum(one not in files for one in entry["Layers"])
        assert all(one in files for one in entry["Layers"][present:])
        assert not present or any(kept[:present] == diff_ids[:present] for kept in self.has.values())
        assert (PARTIAL in (config["config"].get("Labels") or {})) == (not entry["RepoTags"])
        identity = f"sha256:{entry['Config'].removesuffix('.json')}"
        self.has[identity] = diff_ids
        self.named |= dict.fromkeys(entry["RepoTags"], identity)
        self.loads.append((present, len(diff_ids), tuple(entry["RepoTags"])))


@pytest.fixture
def assembler(monkeypatch):
    monkeypatch.setattr(module, "_WORTH_A_LOAD", 1)
    return Assembler(settings=OciSettings(load=False, layers=3))


@pytest.fixture
def made(tmp_path, assembler):
    wheels = [
        on_disk(tmp_path / "wheels", name, "1.0", files={f"{name}/data": os.urandom(3 << 20)})
        for name in ("one", "two")
    ]
    return assembler.assemble(plan(tmp_path, pip=wheels, base=layout(tmp_path / "base", MERGED_USR), app=service()))


def until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen")


def test_layers_are_loaded_from_the_bottom_while_others_are_made(made, assembler):
    daemon = Daemon()
    base = len(made.base.diff_ids)
    with into_docker(daemon, assembler.store) as way:
        way.begin(made.source, made.base, len(made.layers))
        way.made(1, made.layers[1])
        time.sleep(0.05)
        assert daemon.loads == []
        way.made(0, made.layers[0])
        until(lambda: daemon.loads)
        for number, layer in enumerate(made.layers[2:-1], 2):
            way.made(number, layer)
        until(lambda: len(daemon.loads) == 2)
        way.made(len(made.layers) - 1, made.layers[-1])
        assert way.load(made, NAMES) == made.config.digest
    whole = len(made.diff_ids)
    assert daemon.loads == [(0, base + 2, ()), (base + 2, whole - 1, ()), (whole - 1, whole, NAMES)]
    assert daemon.has == {made.config.digest: list(made.diff_ids)}
    assert set(daemon.named) == set(NAMES)
    assert len(daemon.removed) == 2


def test_what_an_engine_got_of_an_image_that_is_refused_goes(made, assembler):
    daemon = Daemon()

    def refused():
        with into_docker(daemon, assembler.store) as way:
            way.begin(made.source, made.base, len(made.layers))
            way.made(0, made.layers[0])
            until(lambda: daemon.loads)
            raise EngineError("two packages clash")

    with pytest.raises(EngineError, match="clash"):
        refused()
    assert daemon.has == {}


def test_who_gives_up_does_not_wait_for_what_is_being_loaded(made, assembler):
    daemon = Daemon()
    taken, going_on = threading.Event(), threading.Event()
    load = daemon.load

    def slow(size, pieces):
        first = next(iter(pieces))
        taken.set()
        going_on.wait(5)
        load(size, [first, *pieces])

    daemon.load = slow

    def interrupted():
        with into_docker(daemon, assembler.store) as way:
            way.begin(made.source, made.base, len(made.layers))
            for number, layer in enumerate(made.layers[:-1]):
                way.made(number, layer)
            assert taken.wait(5)
            way.stop()
            going_on.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (daemon.loads, daemon.has) == ([], {})


def test_an_engine_that_has_all_layers_already_gets_none_early(made, assembler):
    daemon = Daemon()
    daemon.has["sha256:other"] = list(made.diff_ids)
    with into_docker(daemon, assembler.store) as way:
        way.begin(made.source, made.base, len(made.layers))
        for number, layer in enumerate(made.layers):
            way.made(number, layer)
        way.load(made, NAMES)
    assert daemon.loads == [(len(made.diff_ids), len(made.diff_ids), NAMES)]


def test_an_engine_that_keeps_blobs_gets_the_whole_in_the_end(made, assembler):
    daemon = Daemon(blobs=True)
    with into_docker(daemon, assembler.store) as way:
        way.begin(made.source, made.base, len(made.layers))
        for number, layer in enumerate(made.layers):
            way.made(number, layer)
        way.load(made, NAMES)
    assert daemon.loads == [(0, len(made.diff_ids), NAMES)]


def test_what_fails_early_is_done_in_the_end(made, assembler):
    daemon = Daemon(refuses=1)
    with into_docker(daemon, assembler.store) as way:
        way.begin(made.source, made.base, len(made.layers))
        way.made(0, made.layers[0])
        until(lambda: not daemon.refuses)
        way.load(made, NAMES)
    assert daemon.loads == [(0, len(made.diff_ids), NAMES)]


@pytest.mark.parametrize("case", [(1 << 40, True, True), (1 << 20, True, False), (1 << 40, False, False)])
def test_layers_wait_uncompressed_for_an_engine_that_is_near_where_the_disk_has_room(
    made, assembler, monkeypatch, case
):
    free, near, kept = case
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    daemon = Daemon()
    daemon.is_near = near
    with into_docker(daemon, assembler.store) as way:
        assert (way.plain(0) is not None) is kept


def test_what_fails_in_the_end_is_said(made, assembler):
    with into_docker(Daemon(refuses=2), assembler.store) as way, pytest.raises(EngineError, match="no room"):
        way.load(made, NAMES)


def test_layers_count_only_above_the_same_layers():
    known = KnownLayers(iter([["x", "b"]]))
    known.add(["a", "b", "c"])
    assert [known.present(one) for one in (["a", "b", "x"], ["b", "c"], ["a", "b", "c", "d"])] == [2, 0, 3]

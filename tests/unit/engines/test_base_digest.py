"""Whether a local engine is asked for a base at all."""

from __future__ import annotations

import sys

import pytest

from envbuild import programs
from envbuild.engines import base_digest
from envbuild.engines.base_digest import _asked, inspect_base


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine without engines."""
    for name in ("DOCKER_HOST", "CONTAINERS_STORAGE_CONF", "CONTAINERS_CONF"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(base_digest, "SOCKET", tmp_path / "docker.sock")
    monkeypatch.setattr(base_digest, "STORE", tmp_path / "storage")
    monkeypatch.setattr(base_digest, "_configured", lambda: iter(()))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(programs, "find", lambda name: f"/usr/bin/{name}")
    return tmp_path


def test_without_a_socket_and_a_store_nobody_is_asked_and_no_engine_is_imported(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("envbuild.engines.") and "base_digest" not in name]:
        monkeypatch.delitem(sys.modules, name)
    assert inspect_base("ubuntu:24.04") == ""
    assert "envbuild.engines.detect" not in sys.modules


def test_docker_is_asked_where_its_socket_is(machine):
    (machine / "docker.sock").touch()
    assert list(_asked("ubuntu:24.04")) == ["docker"]


def test_docker_is_asked_where_a_host_is_named(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert list(_asked("ubuntu:24.04")) == ["docker"]


def test_podman_and_buildah_are_asked_only_for_what_their_store_lists(machine):
    listing = machine / "storage" / "overlay-images" / "images.json"
    listing.parent.mkdir(parents=True)
    listing.write_text('[{"names": ["docker.io/library/ubuntu:24.04"]}]')
    assert list(_asked("ubuntu:24.04")) == ["podman", "buildah"]
    assert list(_asked("ubuntu:22.04")) == []


def test_a_store_somewhere_else_is_asked(machine, monkeypatch):
    (machine / "storage.conf").touch()
    monkeypatch.setattr(base_digest, "_configured", lambda: iter([machine / "storage.conf"]))
    assert list(_asked("ubuntu:24.04")) == ["podman", "buildah"]

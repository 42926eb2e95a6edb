"""Packages that come from an index of their own, and the others that never do."""

from __future__ import annotations

import pytest

from envbuild.core.definition import IndexOptions, IndexPin
from envbuild.core.errors import SolveError
from envbuild.solve.options import SolveOptions
from tests.solve.asking import pins, resolve
from tests.support.index import Index

LINUX = ("linux-64",)


@pytest.fixture
def wheels():
    """The index of a maker of accelerators: its own builds of `torch`, and a `lib` that nobody should take from it."""
    with Index() as server:
        server.add("torch", "2.0+cu124", requires=["lib"])
        server.add("lib", "9.9")
        yield server


@pytest.fixture
def main(index):
    index.add("torch", "2.0", requires=["lib"])
    index.add("lib", "1.0")
    index.add("app", "1.0", requires=["torch"])
    return index


def options(main, wheels, marker=""):
    return IndexOptions(index_url=main.url, pins=(IndexPin(name="torch", url=wheels.url, marker=marker),))


def test_a_pinned_name_comes_from_its_index_and_no_other_name_does(main, wheels):
    found = resolve("torch", "lib", index=options(main, wheels), platforms=LINUX)
    assert pins(found) == {"torch": "2.0+cu124", "lib": "1.0"}
    assert {one.name: one.index for one in found} == {"torch": wheels.url, "lib": main.url}
    assert "/simple/lib/" not in wheels.paths()


def test_so_does_one_that_only_other_packages_ask_for(main, wheels):
    found = resolve("app", index=options(main, wheels), platforms=LINUX)
    assert pins(found) == {"app": "1.0", "torch": "2.0+cu124", "lib": "1.0"}
    assert {one.name: one.dependencies for one in found} == {"app": ("torch",), "torch": ("lib",), "lib": ()}


def test_a_pin_may_be_for_some_platforms_only(main, wheels):
    found = resolve(
        "torch",
        index=options(main, wheels, "sys_platform == 'linux'"),
        options=SolveOptions(platforms=("linux-64", "osx-arm64")),
    )
    versions = {one.version: one.marker for one in found if one.name == "torch"}
    assert versions.keys() == {"2.0", "2.0+cu124"}
    assert "linux" in versions["2.0+cu124"]
    assert "darwin" in versions["2.0"]


def test_a_pinned_name_that_its_index_lacks_is_not_taken_from_elsewhere(main, wheels):
    wheels.releases[:] = [one for one in wheels.releases if one.name != "torch"]
    with pytest.raises(SolveError, match="torch"):
        resolve("torch", index=options(main, wheels), platforms=LINUX)


def test_a_private_index_gets_its_credentials_and_the_answer_does_not(main, private_index, monkeypatch):
    private_index.add("torch", "3.0")
    monkeypatch.setenv("READER", "reader")
    monkeypatch.setenv("SECRET", "s3cret-pass")
    url = private_index.url.replace("://", "://${READER}:${SECRET}@")
    where = IndexOptions(index_url=main.url, pins=(IndexPin(name="torch", url=url),))
    [torch] = resolve("torch", index=where, platforms=LINUX)
    assert (torch.version, torch.index) == ("3.0", private_index.url)
    assert "s3cret" not in str(torch)


def test_pip_tools_says_that_it_cannot(main, wheels):
    with pytest.raises(SolveError, match=r"single packages \(torch\)"):
        resolve(
            "torch",
            index=options(main, wheels),
            options=SolveOptions(pip_resolver="pip-tools"),
        )

"""Virtual packages."""

from __future__ import annotations

import pytest

from envbuild.core.errors import SolveError
from envbuild.core.platforms import PLATFORMS
from envbuild.solve.virtual import glibc_of, locked_virtual_packages, parse_virtual_package, virtual_packages


def test_linux_has_its_family_and_the_c_library_of_the_base():
    locked = locked_virtual_packages("ubuntu 22.04", ())
    assert locked == ("__glibc=2.35",)
    assert virtual_packages("linux-64", locked) == (
        "__archspec=1=x86_64",
        "__glibc=2.35=0",
        "__linux=5.10=0",
        "__unix=0=0",
    )


def test_an_unknown_base_has_the_c_library_of_manylinux_2_28():
    assert locked_virtual_packages("", ()) == ("__glibc=2.28",)


def test_wishes_win_and_cuda_is_there_only_by_wish():
    assert locked_virtual_packages("ubuntu 24.04", ("cuda=12.4", "__glibc=2.17")) == ("__cuda=12.4", "__glibc=2.17")


def test_what_belongs_to_another_system_is_left_out():
    locked = ("__cuda=12.4", "__glibc=2.35")
    names = [text.partition("=")[0] for text in virtual_packages("osx-arm64", locked)]
    assert names == ["__archspec", "__cuda", "__osx", "__unix"]
    assert "__win" in str(virtual_packages("win-64", locked))
    assert "__glibc" not in str(virtual_packages("win-64", locked))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_platform_has_some(platform):
    assert all(text.count("=") == 2 for text in virtual_packages(platform, ()))


def test_a_wish_may_have_a_build():
    assert "__archspec=1=skylake" in virtual_packages("linux-64", ("__archspec=1=skylake",))


@pytest.mark.parametrize("text", ["cuda", "cuda 12", "cuda=", "=12", "cuda=12; rm", "cuda=1\n2"])
def test_anything_else_is_refused(text):
    with pytest.raises(SolveError, match="is not understood"):
        parse_virtual_package(text)


def test_the_c_library_of_a_lock():
    assert glibc_of(("__cuda=12.4", "__glibc=2.35")) == (2, 35)
    assert glibc_of(()) == (2, 28)

from dataclasses import replace

import pytest

from envbuild.core.errors import PlanError
from envbuild.core.selection import select
from tests.unit.core.values import pip_definition, pip_lock, pip_package

DEFINITION = pip_definition()


def chosen(*packages, **changes):
    lock = replace(pip_lock(DEFINITION, *packages), **changes)
    return [one.file and one.file.filename for one in select(lock, "linux-64").pip]


def test_the_most_specific_wheel_is_chosen():
    tags = (
        "py3-none-any",
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp311-cp311-win_amd64",
        "cp312-cp312-manylinux_2_17_x86_64",
    )
    assert chosen(pip_package("a", "1", tags=tags)) == ["a-1-cp311-cp311-manylinux_2_17_x86_64.whl"]


def test_a_wheel_for_an_older_c_library_is_accepted_and_one_for_a_newer_is_not():
    package = pip_package("a", "1", tags=("cp311-cp311-manylinux_2_35_x86_64", "cp311-cp311-manylinux_2_17_x86_64"))
    assert chosen(package) == ["a-1-cp311-cp311-manylinux_2_17_x86_64.whl"]
    assert chosen(package, virtual_packages=("__glibc=2.36",)) == ["a-1-cp311-cp311-manylinux_2_35_x86_64.whl"]


def test_a_stable_abi_wheel_fits_a_later_python():
    assert chosen(pip_package("a", "1", tags=("cp38-abi3-manylinux_2_17_x86_64",))) == [
        "a-1-cp38-abi3-manylinux_2_17_x86_64.whl"
    ]


def test_a_false_marker_leaves_the_package_out():
    assert chosen(pip_package("a", "1", marker='sys_platform == "win32"')) == []


def test_packages_of_another_platform_are_left_out():
    assert chosen(pip_package("a", "1", platforms=("osx-arm64",))) == []


def test_every_package_without_a_file_is_named():
    packages = (
        pip_package("a", "1", tags=("cp311-cp311-win_amd64",)),
        pip_package("b", "2", tags=("cp39-cp39-manylinux1_x86_64",)),
    )
    with pytest.raises(PlanError) as caught:
        chosen(*packages)
    assert [problem.message[:14] for problem in caught.value.problems] == ["a 1 has no whe", "b 2 has no whe"]


def test_a_platform_that_the_lock_is_not_for_is_refused():
    with pytest.raises(PlanError, match="not for linux-aarch64"):
        select(pip_lock(DEFINITION), "linux-aarch64")


def test_the_choice_is_the_one_that_the_packaging_library_makes():
    from packaging.pylock import Pylock
    from packaging.tags import compatible_tags, cpython_tags

    from envbuild.core.platforms import PLATFORMS

    tags = ("cp311-cp311-manylinux_2_17_x86_64", "cp311-abi3-manylinux_2_28_x86_64", "py3-none-any")
    package = pip_package("a", "1", tags=tags)
    platforms = list(PLATFORMS["linux-64"].wheel_platforms())
    accepted = [*cpython_tags((3, 11), platforms=platforms), *compatible_tags((3, 11), "cp311", platforms)]
    wheels = [{"name": one.filename, "url": one.url, "hashes": {"sha256": one.sha256}} for one in package.wheels]
    document = {
        "lock-version": "1.0",
        "created-by": "test",
        "packages": [{"name": "a", "version": "1", "wheels": wheels}],
    }
    [(_, theirs)] = Pylock.from_dict(document).select(tags=accepted)
    assert chosen(package) == [theirs.name]

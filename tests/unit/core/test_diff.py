from dataclasses import replace

from hypothesis import HealthCheck, given, settings

from envbuild.core.diff import diff_locks
from envbuild.core.lock import LockedBase
from tests.unit.formats.locks import conda_package, locks, pip_package, small_lock, wheel

BOTH = ("linux-64", "win-64")


def on_both(name, version, **changes):
    return tuple(conda_package(name, version, platform, **changes) for platform in BOTH)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(lock=locks())
def test_nothing_moves_between_a_lock_and_itself(lock):
    assert not diff_locks(lock, lock)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(old=locks(), new=locks())
def test_the_way_back_is_the_mirror(old, new):
    there, back = diff_locks(old, new), diff_locks(new, old)
    assert len(there.added) == len(back.removed)
    assert len(there.changed) == len(back.changed)


def test_an_equal_move_on_all_platforms_is_one_change():
    old = small_lock(platforms=BOTH, conda=on_both("numpy", "1.26.4", license="MIT", size=10))
    new = small_lock(platforms=BOTH, conda=on_both("numpy", "2.0.0", license="BSD-3-Clause", size=15))
    (change,) = diff_locks(old, new).changes
    assert (change.kind, change.manager, change.name, change.platforms) == ("changed", "conda", "numpy", ())
    assert (change.old.version, change.new.version) == ("1.26.4", "2.0.0")
    assert (change.old.license, change.new.license) == ("MIT", "BSD-3-Clause")
    assert (change.old.size, change.new.size) == (10, 15)


def test_a_move_on_one_platform_names_it():
    old = small_lock(platforms=BOTH, conda=on_both("numpy", "1.26.4"))
    new = replace(old, conda=(old.conda[0], conda_package("numpy", "2.0.0", "win-64")))
    (change,) = diff_locks(old, new).changes
    assert change.platforms == ("win-64",)


def test_different_moves_on_two_platforms_are_two_changes():
    old = small_lock(platforms=BOTH, conda=on_both("numpy", "1.26.4"))
    new = replace(old, conda=(conda_package("numpy", "2.0.0"), conda_package("numpy", "2.1.0", "win-64")))
    assert [one.platforms for one in diff_locks(old, new).changes] == [("linux-64",), ("win-64",)]


def test_a_rebuild_of_the_same_version_is_a_change():
    old = small_lock(conda=(conda_package(),))
    new = small_lock(conda=(conda_package(build="h2_1"),))
    (change,) = diff_locks(old, new).changed
    assert (change.old.build, change.new.build) == ("h1_0", "h2_1")


def test_other_bytes_of_the_same_version_are_a_change():
    new = small_lock(pip=(pip_package(wheels=(wheel(hashes=(("sha256", "0" * 64),)),)),))
    (change,) = diff_locks(small_lock(), new).changed
    assert (change.manager, change.name) == ("pip", "flask")


def test_what_moves_from_conda_to_pip_is_removed_and_added():
    old = small_lock(conda=(conda_package("flask", "3.0.0"),), pip=())
    new = small_lock(conda=(), pip=(pip_package(),))
    diff = diff_locks(old, new)
    assert [one.manager for one in diff.removed] == ["conda"]
    assert [one.manager for one in diff.added] == ["pip"]


def test_a_platform_that_is_new_adds_its_packages():
    old = small_lock(conda=(conda_package(),), pip=())
    new = small_lock(conda=(conda_package(), conda_package(platform="win-64")), pip=(), platforms=BOTH)
    diff = diff_locks(old, new)
    assert [(one.kind, one.platforms) for one in diff.changes] == [("added", ("win-64",))]
    assert [(one.name, one.old, one.new) for one in diff.facts] == [("platforms", "linux-64", "linux-64, win-64")]


def test_the_base_and_tools_are_compared_too():
    new = small_lock(base=LockedBase(reference="registry.example/a:1"), tools=(pip_package("uv", "0.9"),))
    diff = diff_locks(small_lock(), new)
    assert [(one.name, one.old, one.new) for one in diff.facts] == [("base", "", "registry.example/a:1")]
    assert [(one.kind, one.manager, one.name) for one in diff.changes] == [("added", "tool", "uv")]

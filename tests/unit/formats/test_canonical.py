from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envbuild.formats.canonical import canonical, per_platform
from envbuild.formats.conda_lock import write_conda_lock
from envbuild.formats.pylock import write_pylock
from tests.unit.formats.locks import WHEEL_TAGS, locks, pip_package, small_lock, wheel

relaxed = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@relaxed
@given(lock=locks())
def test_canonical_forms_are_fixed_points(lock):
    assert canonical(canonical(lock)) == canonical(lock)
    assert per_platform(per_platform(lock)) == per_platform(lock)


@relaxed
@given(lock=locks(), data=st.data())
def test_the_order_that_means_nothing_changes_no_byte(lock, data):
    shuffled = replace(
        lock,
        conda=tuple(data.draw(st.permutations([replace(one, depends=one.depends[::-1]) for one in lock.conda]))),
        pip=tuple(data.draw(st.permutations(lock.pip))),
        tools=lock.tools[::-1],
    )
    assert write_conda_lock(shuffled) == write_conda_lock(lock)
    assert write_pylock(shuffled, pip_part=True) == write_pylock(lock, pip_part=True)


def test_a_package_whose_marker_is_false_everywhere_is_not_there():
    package = pip_package(marker="sys_platform == 'win32'")
    assert per_platform(small_lock(pip=(package,))).pip == ()


def test_a_pure_package_stays_one_and_a_native_one_is_split():
    native = pip_package("numpy", "1.0", wheels=tuple(wheel("numpy", "1.0", tag) for tag in WHEEL_TAGS.values()))
    lock = per_platform(small_lock(platforms=tuple(WHEEL_TAGS), pip=(pip_package(), native)))
    assert [(one.name, one.platforms) for one in lock.pip] == [
        ("flask", ()),
        *sorted(("numpy", (name,)) for name in WHEEL_TAGS),
    ]

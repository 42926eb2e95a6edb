from dataclasses import replace

import pytest

from envbuild.core.freshness import freshness
from envbuild.core.lock import LockedApt
from tests.unit.core.values import conda_package, pip_definition, pip_lock, pip_package, requirement, spec

DEFINITION = pip_definition(requirement("numpy", ">=1"), requirement("pandas"))
LOCK = pip_lock(DEFINITION, pip_package("numpy", "2.0"), pip_package("pandas", "2.2", "numpy"))


def reasons(definition, lock=LOCK):
    answer = freshness(definition, lock)
    assert answer.fresh == (not answer.reasons)
    return [str(reason) for reason in answer.reasons]


def test_an_equal_hash_is_fresh():
    assert freshness(DEFINITION, LOCK).fresh
    assert not freshness(DEFINITION, LOCK).renew


def test_a_wider_range_is_fresh_and_only_renews_the_hash():
    answer = freshness(replace(DEFINITION, pip=(requirement("numpy", ">=1,<3"), requirement("pandas"))), LOCK)
    assert answer.fresh
    assert answer.renew


def test_another_order_is_fresh():
    assert freshness(replace(DEFINITION, pip=DEFINITION.pip[::-1]), LOCK).fresh


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"pip": (requirement("numpy", "<2", line=3), requirement("pandas"))},
            "requirements.txt:3: numpy<2 is asked for, but the lock has numpy 2.0",
        ),
        (
            {"pip": (*DEFINITION.pip, requirement("scipy", line=9))},
            "requirements.txt:9: scipy is asked for, but the lock has no scipy",
        ),
        ({"pip": (requirement("numpy"),)}, "pandas 2.2 is in the lock, but nothing asks for it"),
        ({"python": "3.12"}, "python 3.12 is asked for, but the lock is for 3.11"),
        ({"platforms": ("linux-aarch64",)}, "platforms changed: linux-aarch64, but the lock is for linux-64"),
        ({"apt": ("git",)}, "apt packages changed: git, but the lock has none"),
        ({"constraints": (requirement("numpy", "<2"),)}, "numpy<2 is asked for"),
    ],
)
def test_a_stale_lock_names_its_reason(changes, said):
    assert any(said in reason for reason in reasons(replace(DEFINITION, **changes)))


@pytest.mark.parametrize(
    ("asked", "locked", "stale"),
    [
        ("", "20261121T000000Z", False),
        ("2026-11-21", "20261121T000000Z", False),
        ("2026-11-22", "20261121T000000Z", True),
        ("none", "20261121T000000Z", True),
        ("none", "", False),
        ("2026-11-22", "", True),
    ],
)
def test_the_day_of_apts_archive_is_the_one_that_is_asked_for(asked, locked, stale):
    lock = replace(LOCK, apt=LockedApt(packages=("git",), snapshot=locked))
    found = freshness(replace(DEFINITION, apt=("git",), apt_snapshot=asked), lock)
    assert found.fresh is not stale
    assert ["apt-snapshot changed" in one.message for one in found.reasons] == [True] * stale


def test_a_requirement_of_another_platform_is_not_missed():
    more = (*DEFINITION.pip, requirement("pywin32", marker='sys_platform == "win32"'))
    assert reasons(replace(DEFINITION, pip=more)) == []


CONDA = replace(pip_definition(channels=("conda-forge",)), conda=(spec("python 3.11.*"), spec("numpy >=1.20")))
CONDA_LOCK = replace(
    pip_lock(CONDA),
    channels=("conda-forge",),
    conda=(conda_package("numpy", "1.26.4", "python >=3.11,<3.12.0a0"), conda_package("python", "3.11.9")),
)


def test_conda_specs_are_held_against_the_packages():
    assert reasons(replace(CONDA, conda=(spec("python 3.11.*"), spec("numpy >=1.21"))), CONDA_LOCK) == []
    [reason] = reasons(replace(CONDA, conda=(spec("python 3.11.*"), spec("numpy >=2", line=5))), CONDA_LOCK)
    assert reason == "environment.yml:5: numpy >=2 is asked for, but the lock has numpy 1.26.4 h0_0 (linux-64)"


def test_channels_in_another_order_are_stale():
    lock = replace(CONDA_LOCK, channels=("a", "b"))
    assert "channels changed" in reasons(replace(CONDA, channels=("b", "a")), lock)[0]


def test_a_conda_package_that_nothing_needs_any_more_is_stale():
    assert "python 3.11.9 is in the lock" not in str(reasons(replace(CONDA, conda=(spec("numpy"),)), CONDA_LOCK))
    assert "numpy 1.26.4 is in the lock" in str(reasons(replace(CONDA, conda=(spec("python"),)), CONDA_LOCK))


def test_a_name_that_conda_provides_satisfies_pip():
    definition = replace(CONDA, pip=(requirement("numpy"),))
    assert not any("numpy" in reason for reason in reasons(definition, CONDA_LOCK))


def extra(name, *extras, specifier="", line=1):
    text = f"{name}[{','.join(extras)}]{specifier}"
    return replace(requirement(name, specifier, line=line), text=text, extras=extras)


def test_extras_that_the_lock_was_made_with_are_satisfied():
    definition = replace(DEFINITION, pip=(extra("pandas", "excel"), requirement("numpy", ">=1")))
    lock = replace(LOCK, definition_hash=definition.hash, extras=definition.extras)
    assert (
        reasons(replace(definition, pip=(extra("pandas", "excel", specifier=">=2"), requirement("numpy"))), lock) == []
    )


def test_other_extras_than_the_locks_are_stale_and_named_with_their_line():
    lock = replace(LOCK, extras=("pandas[excel]",))
    [more] = reasons(replace(DEFINITION, pip=(extra("pandas", "excel", "html", line=7), requirement("numpy"))), lock)
    assert more == "requirements.txt:7: pandas[excel,html] is asked for, but the lock was not made with these extras"
    assert "nobody asks for any more" in str(reasons(replace(DEFINITION, pip=(*DEFINITION.pip[::-1],)), lock))


def test_a_package_whose_marker_excludes_the_platform_is_not_left_over():
    lock = replace(LOCK, pip=(*LOCK.pip, pip_package("pywin32", "306", marker="sys_platform == 'win32'")))
    more = (*DEFINITION.pip, requirement("pywin32", marker='sys_platform == "win32"'))
    assert reasons(replace(DEFINITION, pip=more), lock) == []

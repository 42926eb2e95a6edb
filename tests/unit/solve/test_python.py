"""Who brings Python."""

from __future__ import annotations

import pytest

from envbuild.core.definition import CondaSpec, Definition, Origin, PipRequirement
from envbuild.core.errors import SolveError
from envbuild.core.lock import LockedPython
from envbuild.solve.python import (
    FoundPython,
    accepts,
    choose_python,
    default_base,
    default_minor,
    locked_conda_python,
    python_spec,
    still_good,
    wanted_python,
    with_python,
)

FLASK = PipRequirement(text="flask", name="flask")
BASE = (
    FoundPython(version="3.10", interpreter="/usr/bin/python3.10"),
    FoundPython(version="3.12.4", interpreter="/opt/conda/bin/python3.12"),
)


def asked(python: str = "", **fields) -> Definition:
    fields.setdefault("pip", (FLASK,))
    return Definition(kind="requirements", python=python, **fields)


@pytest.mark.parametrize(
    ("written", "version", "expected"),
    [
        ("3.11", "3.11.4", True),
        ("3.11", "3.12.0", False),
        ("=3.11", "3.11.4", True),
        ("3.11.*", "3.11.4", True),
        ("3.11.4", "3.11.4", True),
        ("3.11.4", "3.11", True),
        (">=3.10, <3.13", "3.12", True),
        (">=3.10.4", "3.10", True),
        ("<3.10", "3.10", False),
        ("", "3.6.9", True),
    ],
)
def test_what_is_written_accepts_versions(written, version, expected):
    assert accepts(wanted_python(asked(written)), version) is expected


def test_what_is_no_specifier_is_refused_at_its_place():
    with pytest.raises(SolveError, match=r"x\.toml: python 'newest' is not understood"):
        wanted_python(asked("newest", origin=Origin(file="x.toml")))


@pytest.mark.parametrize(
    ("written", "minor", "image"),
    [
        ("", "3.12", "ubuntu:24.04"),
        (">=3.8", "3.12", "ubuntu:24.04"),
        ("3.10", "3.10", "ubuntu:22.04"),
        ("3.8", "3.8", "ubuntu:20.04"),
        ("3.11", "3.11", "ubuntu:24.04"),
        ("<3.12", "3.10", "ubuntu:22.04"),
        (">=3.13", "3.14", "ubuntu:26.04"),
    ],
)
def test_the_default_base_is_the_release_that_has_the_python(written, minor, image):
    assert default_minor(wanted_python(asked(written))) == minor
    assert default_base(asked(written)) == image


def test_the_base_is_first_and_its_newest_is_taken():
    assert choose_python(asked(), BASE, "ubuntu 22.04") == LockedPython(
        version="3.12.4", provider="base", interpreter="/opt/conda/bin/python3.12"
    )
    assert choose_python(asked("3.10"), BASE, "ubuntu 22.04").interpreter == "/usr/bin/python3.10"


def test_the_archive_of_the_release_is_second():
    assert choose_python(asked("3.10"), (), "ubuntu 22.04") == LockedPython(
        version="3.10", provider="apt", interpreter="/usr/bin/python3.10"
    )


def test_else_only_conda_is_left():
    assert choose_python(asked("3.11"), (), "ubuntu 22.04") is None
    assert choose_python(asked(), (), "") is None


def test_a_python_that_the_user_manages_is_looked_up_by_its_path():
    managed = asked("3.10", user_managed=True, interpreter_path="/usr/bin/python3.10")
    assert choose_python(managed, BASE, "") == LockedPython(
        version="3.10", provider="user", interpreter="/usr/bin/python3.10"
    )
    unknown = asked("3.9", user_managed=True, interpreter_path="/opt/x/python")
    assert choose_python(unknown, BASE, "").interpreter == "/opt/x/python"
    assert choose_python(asked("", user_managed=True, interpreter_path="/opt/x/python"), (), "") is None


def test_a_previous_choice_is_good_while_it_is_accepted():
    previous = LockedPython(version="3.10", provider="apt")
    assert still_good(asked("3.10"), previous)
    assert not still_good(asked("3.11"), previous)
    assert not still_good(asked(), None)


def test_pip_requirements_bring_python_and_pip_to_conda():
    numpy = CondaSpec(text="numpy", name="numpy")
    found = with_python(asked("3.11", conda=(numpy,)), "linux-64")
    assert [spec.text for spec in found] == ["numpy", "python 3.11.*", "pip"]
    assert [spec.text for spec in with_python(asked(conda=(numpy,), pip=()), "linux-64")] == ["numpy"]


def test_what_is_written_stays_as_it_is():
    written = (CondaSpec(text="python =3.9", name="python"), CondaSpec(text="pip <24", name="pip"))
    assert with_python(asked("3.9", conda=written), "linux-64") == written


@pytest.mark.parametrize(
    ("written", "text"), [("3.11", "python 3.11.*"), (">=3.10,<3.12", "python >=3.10,<3.12"), ("", "python 3.12.*")]
)
def test_the_conda_spec_of_a_python(written, text):
    assert python_spec(asked(written)).text == text


def test_platforms_with_different_patches_share_the_minor():
    assert locked_conda_python(["3.11.4", "3.11.5"]).version == "3.11"
    assert locked_conda_python(["3.11.4", "3.11.4"]).version == "3.11.4"
    assert locked_conda_python([]) is None

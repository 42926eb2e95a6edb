from dataclasses import replace

import pytest

from envbuild.core.definition import Base, IndexOptions, Origin, Source
from tests.unit.core.values import pip_definition, requirement, spec

ONE = pip_definition(requirement("numpy"), requirement("pandas"))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"version": "2"},
        {"description": "words"},
        {"tags": (("a", "b"),)},
        {"variables": (("A", "b"),)},
        {"origin": Origin(file="elsewhere.txt", line=7)},
        {"sources": (Source(path="a", sha256="0"),)},
        {"pip": (requirement("numpy", line=40), requirement("pandas", line=41))},
    ],
)
def test_what_cannot_change_the_answer_is_not_in_the_hash(changes):
    assert replace(ONE, **changes).hash == ONE.hash


@pytest.mark.parametrize(
    "changes",
    [
        {"pip": ONE.pip[::-1]},
        {"pip": (requirement("numpy", ">=2"), requirement("pandas"))},
        {"pip": (replace(ONE.pip[0], hashes=("sha256:00",)), ONE.pip[1])},
        {"channels": ("conda-forge",)},
        {"conda": (spec("numpy"),)},
        {"python": "3.12"},
        {"platforms": ("linux-64", "linux-aarch64")},
        {"platforms": ("linux-aarch64",)},
        {"base": Base(image="ubuntu:22.04")},
        {"base": Base(dockerfile="FROM ubuntu:22.04\n")},
        {"docker_steps": ("RUN true",)},
        {"index": IndexOptions(index_url="https://index.example/simple")},
        {"apt": ("git",)},
        {"user_managed": True},
        {"constraints": (requirement("numpy", "<3"),)},
    ],
)
def test_what_can_change_the_answer_is_in_the_hash(changes):
    assert replace(ONE, **changes).hash != ONE.hash


def test_swapping_two_channels_changes_the_hash():
    one = replace(ONE, channels=("a", "b"))
    assert replace(one, channels=("b", "a")).hash != one.hash


def test_show_leaves_out_what_is_not_set():
    assert set(ONE.to_dict()) == {"kind", "python", "pip", "platforms", "hash"}


def test_requirements_that_are_added_keep_those_that_are_there():
    more = ONE.with_pip(requirement("numpy", ">=9"), requirement("werkzeug"))
    assert [one.text for one in more.pip] == ["numpy", "pandas", "werkzeug"]

"""What pip's side says where uv has no answer: another Python, and every problem at once."""

from __future__ import annotations

import pytest

from envbuild.core.errors import SolveError
from envbuild.solve.options import PYTHON, PipConflictError
from tests.solve.asking import resolve

PYTHONS = ("3.12", "3.11", "3.10", "3.9")


def old(index, name="old", tag="cp310-cp310-manylinux_2_17_x86_64"):
    index.add(name, "1.0", tag=tag)


def test_a_wheel_for_another_python_only_is_a_wish_for_that_python(index):
    old(index)
    with pytest.raises(PipConflictError) as caught:
        resolve("old==1.0", index=index.url, python="3.12", pythons=PYTHONS, platforms=("linux-64",))
    assert caught.value.wanted == {PYTHON: "3.10"}
    [problem] = caught.value.problems
    assert problem.message.splitlines()[0] == "`old==1.0` cannot be satisfied with Python 3.12"
    assert problem.hint == "with Python 3.10 there is an answer"


def test_a_release_that_requires_a_newer_python_is_a_wish_too_and_the_first_that_does_is_taken(index):
    index.add("new", "1.0", requires_python=">=3.13")
    with pytest.raises(PipConflictError) as caught:
        resolve("new==1.0", index=index.url, python="3.12", pythons=("3.11", "3.12", "3.14", "3.13"))
    assert caught.value.wanted == {PYTHON: "3.14"}


def test_an_older_python_is_wished_though_what_is_provided_takes_part(index):
    index.add("lib", "1.0")
    index.add("old", "1.0", requires=["lib<2"], tag="cp310-cp310-manylinux_2_17_x86_64")
    with pytest.raises(PipConflictError) as caught:
        resolve(
            "old==1.0",
            "lib<2",
            index=index.url,
            python="3.12",
            pythons=PYTHONS,
            platforms=("linux-64",),
            provided={"lib": "2.0"},
        )
    assert caught.value.wanted == {PYTHON: "3.10"}


def test_where_no_python_has_an_answer_the_lines_are_to_blame(index):
    old(index, tag="cp36-cp36m-manylinux1_x86_64")
    with pytest.raises(SolveError, match=r"`old==1\.0` cannot be satisfied\n") as caught:
        resolve("old==1.0", index=index.url, python="3.12", pythons=PYTHONS, platforms=("linux-64",))
    assert not isinstance(caught.value, PipConflictError)


def test_every_problem_of_the_lines_is_told_at_once(index):
    index.add("app", "1.0", requires=["lib<2"])
    index.add("lib", "2.0")
    index.add("fine", "1.0")
    with pytest.raises(SolveError) as caught:
        resolve("absent", "app", "lib>=2", "fine", "fine2==3", index=index.url)
    told = {one.line: one.message.splitlines()[0] for one in caught.value.problems}
    assert told == {
        1: "`absent` cannot be satisfied",
        2: "`app` and `lib>=2` (requirements.txt:3) cannot be satisfied together",
        5: "`fine2==3` cannot be satisfied",
    }

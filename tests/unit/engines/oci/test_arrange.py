from dataclasses import dataclass

import pytest

from envbuild.core.errors import PlanError
from envbuild.engines.oci.arrange import arrange

MEBI = 1 << 20


@dataclass(frozen=True)
class Package:
    name: str
    size: int = 1000
    version: str = "1"

    @property
    def identity(self):
        return [self.name]

    def write(self, tar):
        raise NotImplementedError


def names(groups):
    return [[one.name for one in group] for group in groups]


LARGE = [Package("torch", 800 * MEBI), Package("scipy", 40 * MEBI), Package("numpy", 20 * MEBI)]
SMALL = [Package("six"), Package("attrs"), Package("idna")]


def test_the_large_lie_alone_below_by_size_and_the_small_together_on_top():
    assert names(arrange([*SMALL, *reversed(LARGE)])) == [["torch"], ["scipy"], ["numpy"], ["attrs", "idna", "six"]]


def test_the_order_of_the_lock_does_not_matter():
    assert arrange([*SMALL, *LARGE]) == arrange([*LARGE, *reversed(SMALL)])


def test_an_added_small_package_changes_the_last_layer_only():
    before, after = arrange([*LARGE, *SMALL]), arrange([*LARGE, *SMALL, Package("flask")])
    assert before[:-1] == after[:-1]


@pytest.mark.parametrize("layers", [1, 2, 3, 14, 100])
def test_there_are_never_more_layers_than_said(layers):
    many = [Package(f"p{number}", (number + 2) * 10 * MEBI) for number in range(300)]
    groups = arrange(many, layers)
    assert len(groups) <= layers
    assert sorted(one.name for group in groups for one in group) == sorted(one.name for one in many)


@pytest.mark.parametrize("layers", [0, 101, -1])
def test_a_number_that_no_engine_takes_is_refused(layers):
    with pytest.raises(PlanError, match="from 1 to 100"):
        arrange(SMALL, layers)


def test_with_an_earlier_image_its_layers_stay_and_what_is_new_comes_on_top():
    previous = [["numpy"], ["gone"], ["six", "attrs"]]
    groups = arrange([*SMALL, *LARGE], previous=previous)
    assert names(groups) == [["numpy"], ["six", "attrs"], ["idna", "scipy", "torch"]]


def test_too_many_earlier_layers_are_arranged_anew():
    previous = [[f"p{number}"] for number in range(101)]
    many = [Package(f"p{number}") for number in range(101)]
    assert len(arrange(many, previous=previous)) == 1


def test_no_packages_make_no_layer():
    assert arrange([]) == ()

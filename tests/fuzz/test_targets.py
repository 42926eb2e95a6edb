"""A short run of every target: hypothesis looks for what crashes a parser. `python -m benchmarks.fuzz` is the long one."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import WORDS, seeds
from tests.fuzz.targets import TARGETS, run


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=25, deadline=2000, suppress_health_check=list(HealthCheck))
@given(data=st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(WORDS), max_size=20).map(b"".join)))
def test_no_input_crashes_a_parser(name: str, data: bytes) -> None:
    assert run(name, data) in (True, False)


@pytest.mark.parametrize("name", TARGETS)
def test_nor_does_a_usual_input_that_was_changed(name: str) -> None:
    chance = random.Random(name)
    for _ in range(60):
        assert run(name, mutated(seeds(name), WORDS, chance)) in (True, False)


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in ("Dockerfile value", "ELF")])
def test_a_target_takes_its_usual_inputs(name: str) -> None:
    assert any(run(name, seed) for seed in seeds(name))

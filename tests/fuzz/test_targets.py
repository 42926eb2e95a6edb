"""A short run of every target: hypothesis looks for what crashes a parser. `python -m benchmarks.fuzz` is the long one."""

from __future__ import annotations

import io
import random
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS, WORDS, run, seeds


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
    assert any(run(name, seed) for seed in seeds(name)) or name in (
        "lock: uv.lock",
        "lock: Pipfile.lock",
        "lock: explicit.txt",
        "image archive",
    )


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_wheel_that_is_compressed_as_none_is_refused(method: int) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression=method) as archive:
        archive.writestr("pkg.py", "x = 1\n" * 100)
    assert not run("wheel", written.getvalue())


def test_a_member_that_says_it_is_larger_than_its_wheel_takes_no_memory() -> None:
    data = bytearray(seeds("wheel")[0])
    at = data.rindex(b"PK\x01\x02")
    data[at + 20 : at + 24] = (0xFFFFFFF0).to_bytes(4, "little")
    assert not run("wheel", bytes(data))


@pytest.mark.parametrize(
    "page", [b"<![DOCTYPE html>[[<base --->", b'<a href="http://[">x</a>', b'{"files": ' + b"[" * 100_000]
)
def test_a_page_that_no_reader_takes_is_refused(page: bytes) -> None:
    assert not run("index page", page)


def test_a_json_form_that_is_none_is_the_shell_form() -> None:
    assert run("own Dockerfile", b'FROM ubuntu\nCOPY ["\'"b"] /x\n')

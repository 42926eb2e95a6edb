"""docs/definitions.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.corpus import REASONS
from envbuild.read.kinds import IN_FOLDER
from envbuild.read.pyproject import parse_pyproject
from envbuild.read.tool_envbuild import KEYS

TEXT = (Path(__file__).parents[3] / "docs" / "definitions.md").read_text()


def section(title: str) -> str:
    return TEXT.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(title: str) -> list[str]:
    return re.findall(r"^\| ([^|]+?) \|", section(title), re.MULTILINE)[2:]


def test_the_table_of_keys_is_complete():
    documented = {key for cell in first_cells("`[tool.envbuild]`") for key in re.findall(r"`([a-z-]+)`", cell)}
    assert documented == {*KEYS, "environments"}


def test_the_table_of_reasons_is_complete():
    assert first_cells("Reasons to refuse") == list(REASONS)


@pytest.mark.parametrize("name", IN_FOLDER)
def test_the_files_that_make_a_folder_are_named(name):
    assert f"`{name}`" in section("Files")


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL))
def test_the_examples_are_understood(example):
    assert parse_pyproject(example, "pyproject.toml", {}.__getitem__, "serve").name == "serve"

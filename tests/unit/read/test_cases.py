"""A case is a folder of `fixtures/read`: its files, and the `.json` beside it says how they are understood or why not.

`ENVBUILD_UPDATE_EXPECTED=1` writes what is understood now, for a person to review.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from envbuild.core.errors import DefinitionError
from envbuild.read import read_definition

CASES = Path(__file__).parents[3] / "fixtures" / "read"
CASE_FOLDERS = sorted(one for one in CASES.iterdir() if one.is_dir())
FILES = ("inferenceconfig.json", "env.yml", "job.yml", "pipeline.yml", "conda-lock.yml")


def definition_of(case: Path) -> Path:
    """A folder is read as it is, unless it holds a file that no folder is known by."""
    return next((case / name for name in FILES if (case / name).is_file()), case)


def understood(case: Path) -> dict[str, object]:
    try:
        found = read_definition(definition_of(case)).to_dict()
    except DefinitionError as error:
        return {"problems": [problem.to_dict() for problem in error.problems]}
    del found["hash"]
    return found


@pytest.mark.parametrize("case", CASE_FOLDERS, ids=lambda case: case.name)
def test_a_case_is_understood_as_expected(case):
    expected = case.with_suffix(".json")
    if os.environ.get("ENVBUILD_UPDATE_EXPECTED"):
        expected.write_text(json.dumps(understood(case), indent=2) + "\n")
    assert understood(case) == json.loads(expected.read_text())


@pytest.mark.parametrize("case", CASE_FOLDERS, ids=lambda case: case.name)
def test_no_case_lets_a_credential_through(case):
    assert "hunter2" not in json.dumps(understood(case))

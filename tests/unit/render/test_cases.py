"""Every case of `fixtures/cases` renders to its golden Dockerfile; `--update-golden` rewrites them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from envbuild import programs
from tests.support.cases import Case, cases

ALL = [pytest.param(case, id=case.folder.name) for case in cases()]
_PRINT_ALL = """
import json
from tests.support.cases import cases
print(json.dumps({case.folder.name: [[one.path, one.mode] for one in case.context().all_files()] + [case.context().dockerfile] for case in cases()}))
"""


@pytest.mark.parametrize("case", ALL)
def test_a_case_renders_to_its_golden_dockerfile(case: Case, request: pytest.FixtureRequest) -> None:
    rendered = case.context().dockerfile
    if request.config.getoption("--update-golden"):
        case.expected.write_text(rendered, encoding="utf-8")
    assert rendered == case.expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", ALL)
def test_every_path_that_a_dockerfile_copies_or_mounts_is_in_its_context(case: Case) -> None:
    context = case.context()
    paths = {"/".join(Path(file.path).parts[:length]) for file in context.files for length in range(1, 9)}
    for step in context.steps:
        words = step.text.split()
        if words[0] == "COPY" and not any(word.startswith("--from") for word in words):
            assert {word.rstrip("/") for word in words[1:-1]} <= paths, step.text
        sources = [
            word.split("source=")[1].split(",")[0] for word in words if word.startswith("--mount=type=bind,source=")
        ]
        assert set(sources) <= paths, step.text


def test_two_processes_with_different_hash_seeds_render_the_same() -> None:
    def all_rendered(seed: str) -> object:
        env = {**os.environ, "PYTHONHASHSEED": seed}
        return json.loads(
            programs.run([sys.executable, "-c", _PRINT_ALL], env=env, cwd=Path(__file__).parents[3]).stdout
        )

    first = all_rendered("1")
    assert first == all_rendered("2")
    assert len(first) == len(ALL)


def test_no_case_names_a_stage_twice_or_a_frontend_that_was_not_asked_for() -> None:
    for case in cases():
        text = case.context().dockerfile
        stages = [line.split(" AS ")[1] for line in text.splitlines() if line.startswith("FROM ") and " AS " in line]
        assert len(stages) == len(set(stages)), case.folder.name
        asked = case.folder.name in ("with-syntax", "own-dockerfile")
        assert text.startswith("# syntax=") is asked, case.folder.name
        assert text.count("# syntax=") == asked, case.folder.name


@pytest.mark.parametrize("case", ALL)
def test_hadolint_has_nothing_to_say(case: Case) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not installed")
    said = programs.run([str(hadolint), "--no-color", "-"], stdin=case.context().dockerfile, check=False)
    assert said.stdout == ""
    assert said.code == 0

"""Requirements files at URLs: what they hold is asked, in order, once, and within bounds."""

from __future__ import annotations

import pytest

from envbuild.core.definition import Definition
from envbuild.core.errors import DefinitionError, SolveError
from envbuild.core.progress import SILENT
from envbuild.read.load import parse_included
from envbuild.read.requirements_txt import parse_requirements
from envbuild.solve.includes import MOST, with_includes

PLACE = "https://files.example/sets"


def asked(text: str) -> Definition:
    return parse_requirements(text, "requirements.txt", lambda _: b"")


def side(text: str, pages: dict[str, str]) -> tuple[list[str], list[str]]:
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        assert url not in fetched
        fetched.append(url)
        return pages[url].encode()

    found = with_includes(asked(text), parse_included, offline=False, progress=SILENT, fetch=fetch)
    return [one.text for one in found.requirements], [one.text for one in found.constraints]


def test_what_is_included_stands_in_the_place_of_its_name():
    pages = {f"{PLACE}/base.txt": "numpy==1.26.4\npandas  # needed\n"}
    assert side(f"alpha\n-r {PLACE}/base.txt\nbeta\n", pages) == (["alpha", "numpy==1.26.4", "pandas", "beta"], [])


def test_files_name_files_beside_them_and_a_circle_ends():
    pages = {f"{PLACE}/a.txt": "-r b.txt\n-c ../limits.txt\none\n", f"{PLACE}/b.txt": f"-r {PLACE}/a.txt\ntwo\n"}
    pages["https://files.example/limits.txt"] = "two<3\n"
    assert side(f"-r {PLACE}/a.txt\n", pages) == (["two", "one"], ["two<3"])


def test_a_constraints_file_only_bounds():
    pages = {f"{PLACE}/limits.txt": "numpy<2\n-r more.txt\n", f"{PLACE}/more.txt": "pandas<3\n"}
    assert side(f"alpha\n-c {PLACE}/limits.txt\n", pages) == (["alpha"], ["numpy<2", "pandas<3"])


def test_options_of_a_file_that_somebody_else_may_change_do_not_count():
    pages = {f"{PLACE}/a.txt": "--index-url https://elsewhere.example/simple\nalpha\n"}
    found = with_includes(
        asked(f"-r {PLACE}/a.txt\n"),
        parse_included,
        offline=False,
        progress=SILENT,
        fetch=lambda url: pages[url].encode(),
    )
    assert [one.text for one in found.requirements] == ["alpha"]


def test_a_path_in_a_file_at_a_url_is_refused():
    with pytest.raises(SolveError, match=r"`\./pkg` is a path"):
        side(f"-r {PLACE}/a.txt\n", {f"{PLACE}/a.txt": "./pkg\nalpha\n"})


def test_a_file_that_is_none_is_refused_with_its_url_and_line():
    with pytest.raises(DefinitionError) as caught:
        side(f"-r {PLACE}/a.txt\n", {f"{PLACE}/a.txt": "alpha\n<html>\n"})
    assert (caught.value.problems[0].file, caught.value.problems[0].line) == (f"{PLACE}/a.txt", 2)


def test_files_without_end_are_bounded():
    pages = {f"{PLACE}/{number}.txt": f"-r {number + 1}.txt\n" for number in range(MOST + 5)}
    with pytest.raises(SolveError, match="more than 100 files"):
        side(f"-r {PLACE}/0.txt\n", pages)


def test_a_definition_without_any_needs_no_network():
    found = with_includes(asked("alpha\n"), parse_included, offline=True, progress=SILENT)
    assert [one.text for one in found.requirements] == ["alpha"]

"""Conflicts, in words."""

from __future__ import annotations

from envbuild.core.definition import CondaSpec, Origin, PipRequirement
from envbuild.solve.conda_worker import without_secrets, without_urls_secrets
from envbuild.solve.conflict import LINES, conda_problems, condensed, one_a_channel, written

NUMPY = CondaSpec(text="numpy =2", name="numpy", origin=Origin(file="environment.yml", line=4))
NUMBA = CondaSpec(text="numba", name="numba", origin=Origin(file="environment.yml", line=5))


def test_lines_are_told_with_their_place():
    flask = PipRequirement(text="flask<3", name="flask", origin=Origin(file="r.txt", line=2))
    nowhere = CondaSpec(text="pip", name="pip")
    assert written([NUMPY, flask, nowhere]) == ["environment.yml:4: numpy =2", "r.txt:2: flask<3", "pip"]


def test_a_contradiction_shows_its_lines_and_the_reason_below():
    names = [{"name": "numpy", "versions": ["1", "2"], "fitting": 1, "close": []}]
    answer = {
        "error": "conflict",
        "text": "Cannot solve the request because of: numba needs\n└─ numpy <2\n",
        "names": names,
        "core": ["numpy =2", "numba"],
    }
    (problem,) = conda_problems("linux-64", [NUMPY, NUMBA], answer)
    assert str(problem) == (
        "these cannot be installed together for linux-64:\n"
        "    environment.yml:4: numpy =2\n"
        "    environment.yml:5: numba\n"
        "  because\n"
        "    numba needs\n"
        "    └─ numpy <2\n"
        "  hint: loosen one of these lines"
    )


def test_a_package_that_no_channel_has_is_told_at_its_line():
    answer = {"error": "conflict", "text": "", "core": []}
    answer["names"] = [{"name": "numpy", "versions": [], "fitting": 0, "close": []}]
    (problem,) = conda_problems("win-64", [NUMPY], answer)
    assert (problem.file, problem.line) == ("environment.yml", 4)
    assert problem.hint == "is it a pip package, or is a channel missing?"


def test_long_explanations_lose_what_only_repeats():
    tree = ["a", *["│ b, which conflicts with the versions reported above."] * 50, *["c"] * (LINES + 9)]
    shown = condensed("\n".join(tree)).splitlines()
    assert len(shown) == LINES + 1
    assert "b" not in "".join(shown[:-1])
    assert shown[-1] == "… and 10 lines more"


def test_secrets_are_cut_out_of_urls():
    assert without_secrets("https://u:p@conda.example/c/x.conda") == "https://conda.example/c/x.conda"
    assert without_secrets("https://conda.example/t/tk-1/c/x.conda") == "https://conda.example/c/x.conda"
    assert without_secrets("https://u:p@conda.example/t/tk-1/c/x") == "https://conda.example/c/x"
    text = "cannot read (https://u:p@conda.example/c/x), nor 'https://conda.example/t/tk/d/y'"
    assert without_urls_secrets(text) == "cannot read (https://conda.example/c/x), nor 'https://conda.example/d/y'"


def test_a_channel_that_cannot_be_read_is_one_problem_for_all_its_platforms():
    def texts(*reasons):
        answers = ({"error": "channel", "text": one} for one in reasons)
        return [
            str(one)
            for one in one_a_channel([found for one in answers for found in conda_problems("linux-64", [], one)])
        ]

    failed = "error sending request for url (https://x.example/{})"
    both = texts(
        failed.format("main/noarch/repodata.json"),
        "a coalesced request failed",
        failed.format("main/win-64/repodata.json"),
    )
    assert len(both) == 1
    assert "main/noarch" in both[0]
    other = texts(failed.format("main/noarch/repodata.json"), failed.format("other/noarch/repodata.json"))
    assert len(other) == 2
    assert len(texts("a coalesced request failed")) == 1

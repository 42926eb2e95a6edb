"""What a resolver says when it fails, in the words of the person who asked."""

from pathlib import Path

import pytest

from envbuild.core.definition import IndexOptions, Origin, PipRequirement
from envbuild.core.errors import NetworkError, SolveError
from envbuild.solve.failures import ResolverError, index_name, shortened
from envbuild.solve.indexes import index_access
from envbuild.solve.options import PipRequest
from envbuild.solve.requirements import ask

WORK = Path("/tmp/envbuild-uv-xyz")


def explain(text, *names):
    lines = tuple(
        PipRequirement(text=name, name=name, origin=Origin(file="requirements.txt", line=number))
        for number, name in enumerate(names, 1)
    )
    asked = ask(PipRequest(requirements=lines, python="3.11"), {})
    access = index_access(
        IndexOptions(index_url="https://me:s3cret-pass@index.example/simple"), WORK, {"HOME": "/none"}
    )
    return ResolverError(text, WORK).explained(asked, access)


def test_the_lines_that_take_part_come_first_and_the_others_not_at_all():
    error = explain(
        "error: No solution found when resolving dependencies\n"
        "  cause: Because b{python_full_version < '3.12'}<2 depends on c>3 and you require b<2, we can conclude…",
        "a",
        "b",
        "c",
    )
    assert str(error) == (
        "requirements.txt:2: `b` and `c` (requirements.txt:3) cannot be satisfied together\n"
        "    Because b<2 depends on c>3 and you require b<2, we can conclude…"
    )
    assert type(error) is SolveError


def test_a_resolver_of_the_older_layout_is_understood_too():
    error = explain(
        "  \u00d7 No solution found when resolving dependencies:\n  ╰─▶ Because a has no versions and…", "a"
    )
    assert "    Because a has no versions and…" in str(error)


@pytest.mark.parametrize(
    "said",
    [
        "Because a==1.0 has no usable wheels and you require a==1.0",
        "Because a>=303 has no `sys_platform == 'linux'`-compatible wheels",
        "nothing\n\nhint: Wheels are required for `a` because building from source is disabled",
        "Because a==2 has no wheels with a matching platform tag (e.g., `manylinux_2_28_x86_64`)",
    ],
)
def test_a_name_without_a_wheel_has_two_ways_out(said):
    error = explain(f"error: No solution found when resolving dependencies\n  cause: {said}", "a")
    assert error.problems[0].hint.startswith("choose a version of a that has a wheel, or allow its source")
    assert error.problems[0].hint.endswith("--allow-sdist a")


def test_what_is_provided_is_called_so():
    failure = ResolverError("Because n depends on numpy<2 and numpy==2.3.5+conda and torch==2.1+cpu.conda, …", WORK)
    assert failure.stubs == {"numpy", "torch"}


def test_a_server_out_of_reach_is_a_network_error_and_shows_no_credentials():
    error = explain(
        "error: Request failed after 3 retries\n"
        "  cause: Failed to fetch: https://me:s3cret-pass@index.example/simple/a/\n  cause: tcp connect error",
        "a",
    )
    assert type(error) is NetworkError
    assert "s3cret-pass" not in str(error)
    assert "https://index.example/simple/a/" in str(error)


def test_no_path_of_ours_and_no_option_of_the_resolvers_is_shown():
    error = explain(f"error: Failed to read {WORK}/requirements.in\n\nhint: use `--no-build` or constraints.txt", "a")
    assert "/tmp" not in str(error)
    assert "--no-build" not in str(error)


def test_a_long_explanation_loses_its_middle():
    lines = [f"line {number}" for number in range(100)]
    told = shortened("\n".join(lines)).splitlines()
    assert (told[0], told[10], told[-1], len(told)) == ("line 0", "… (70 lines are left out)", "line 99", 31)
    assert shortened("a\nb") == "a\nb"


@pytest.mark.parametrize(
    ("written", "meant"), [("pytorch", "torch"), ("sklearn", "scikit-learn"), ("cv2", "opencv-python")]
)
def test_a_name_of_conda_or_of_a_module_is_told_as_the_index_has_it(written, meant):
    said = f"Because all versions of {written} have no usable wheels\nhint: Wheels are required for `{written}` because"
    assert index_name(written) == meant
    assert explain(said, written).problems[0].hint.startswith(f"write {meant}:")

"""What pip's side may be asked, before any resolver runs."""

import pytest

from envbuild.core.definition import IndexOptions, Origin, PipRequirement
from envbuild.core.errors import SolveError
from envbuild.solve.options import PipRequest, SolveOptions
from envbuild.solve.requirements import ask


def requirement(text, kind="name", **fields):
    return PipRequirement(
        text=text, kind=kind, origin=Origin(file="requirements.txt", line=fields.pop("line", 1)), **fields
    )


def request(folder, *requirements, **fields):
    return PipRequest(requirements=requirements, python="3.11", folder=str(folder), **fields)


def test_names_extras_specifiers_and_markers_reach_the_resolver(tmp_path):
    one = requirement(
        "a[x,y]>=1; os_name == 'nt'", name="a", extras=("x", "y"), specifier=">=1", marker="os_name == 'nt'"
    )
    [line] = ask(request(tmp_path, one), {}).lines
    assert str(line) == "a[x,y]>=1 ; os_name == 'nt'"


def test_a_wheel_by_path_is_made_absolute(tmp_path):
    (tmp_path / "my wheels").mkdir()
    wheel = tmp_path / "my wheels" / "a-1-py3-none-any.whl"
    wheel.touch()
    one = requirement("./my wheels/a-1-py3-none-any.whl", "path", name="a", target="./my wheels/a-1-py3-none-any.whl")
    [line] = ask(request(tmp_path, one), {}).lines
    assert line.body == f"a @ {wheel.as_uri()}"


def test_every_line_that_a_lock_cannot_hold_is_named_with_the_way_out(tmp_path):
    (tmp_path / "project").mkdir()
    lines = [
        requirement("-e .", "editable", target=".", line=1),
        requirement("./project", "path", target="./project", line=2),
        requirement("./gone-1-py3-none-any.whl", "path", name="gone", target="./gone-1-py3-none-any.whl", line=3),
        requirement("v @ git+https://index.example/v", "vcs", name="v", target="git+https://index.example/v", line=4),
        requirement(
            "s @ https://index.example/s-1.tar.gz", "url", name="s", target="https://index.example/s-1.tar.gz", line=5
        ),
        requirement(
            "-e git+https://index.example/e#egg=e", "editable", name="e", target="git+https://index.example/e", line=6
        ),
    ]
    with pytest.raises(SolveError) as caught:
        ask(request(tmp_path, *lines), {})
    assert [problem.line for problem in caught.value.problems] == [1, 2, 3, 4, 5, 6]
    hints = [problem.hint for problem in caught.value.problems]
    assert "pip wheel" in hints[0]
    assert "pip wheel" in hints[1]
    assert "--allow-sdist v" in hints[3]
    assert "--allow-sdist s" in hints[4]
    assert "without -e" in hints[5]


def test_source_that_is_allowed_by_name_is_taken(tmp_path):
    source = requirement(
        "S @ https://index.example/s-1.tar.gz", "url", name="s-s", target="https://index.example/s-1.tar.gz"
    )
    asked = ask(request(tmp_path, source, options=SolveOptions(sdist_allowed=("S_S",))), {})
    assert asked.built == {"s-s"}


def test_building_everything_from_source_is_refused(tmp_path):
    with pytest.raises(SolveError, match="--no-binary :all:"):
        ask(request(tmp_path, requirement("a", name="a"), index=IndexOptions(no_binary=(":all:",))), {})


def test_variables_in_urls_are_filled_in(tmp_path):
    url = "https://${USER_NAME}:${TOKEN}@index.example/a-1-py3-none-any.whl"
    one = requirement(f"a @ {url}", "url", name="a", target=url)
    [line] = ask(request(tmp_path, one), {"USER_NAME": "me", "TOKEN": "tok"}).lines
    assert line.body == "a @ https://me:tok@index.example/a-1-py3-none-any.whl"
    assert "tok" not in line.written


def test_version_control_without_a_name_is_told_how_to_get_one():
    nameless = PipRequirement(
        text="git+https://git.example/team/tool.git@v1", kind="vcs", target="git+https://git.example/team/tool.git@v1"
    )
    with pytest.raises(SolveError) as caught:
        ask(PipRequest(requirements=(nameless,), python="3.11"), {})
    assert caught.value.problems[0].hint.startswith(
        "write `tool @ git+https://git.example/team/tool.git@v1` and allow it by name: --allow-sdist tool, or"
    )

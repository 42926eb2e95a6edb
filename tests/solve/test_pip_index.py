"""The pip side on the real index."""

import sys

import pytest

from envbuild.core.platforms import this_platform
from envbuild.core.progress import SILENT
from envbuild.solve.options import PipConflictError, SolveOptions
from envbuild.solve.pip import resolve_pip
from tests.solve.asking import pins, question, resolve

pytestmark = pytest.mark.index

HERE = (this_platform().subdir,)
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_both_resolvers_give_the_same_pins_and_their_hashes_agree():
    lines = ["flask", "requests>=2.31", "rich", "uvicorn[standard]", "pydantic"]
    by_uv = resolve(*lines, platforms=HERE, python=MINOR)
    by_pip = resolve(*lines, platforms=HERE, python=MINOR, options=SolveOptions(pip_resolver="pip-tools"))
    assert pins(by_pip) == pins(by_uv)
    for ours, theirs in zip(by_uv, by_pip, strict=True):
        hashes = {one.filename: one.sha256 for one in theirs.wheels}
        assert all(hashes[one.filename] == one.sha256 for one in ours.wheels)
        assert (ours.dependencies, ours.index.rstrip("/")) == (theirs.dependencies, theirs.index.rstrip("/"))


def test_a_real_clash_with_conda_is_told_with_what_pips_side_would_take():
    request = question("numba==0.58.1", provided={"numpy": "2.3.5"}, platforms=("linux-64",))
    with pytest.raises(PipConflictError) as caught:
        resolve_pip(request, SILENT)
    assert caught.value.wanted["numpy"].startswith("1.26.")


def test_a_day_in_the_past_gives_the_versions_of_that_day():
    options = SolveOptions(exclude_newer="2024-01-01T00:00:00Z")
    found = pins(resolve("flask", options=options))
    assert found["flask"] == "3.0.0"
    assert found["werkzeug"] == "3.0.1"

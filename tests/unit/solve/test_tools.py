"""The installers for Dockerfiles: pinned at our own versions, kept, and never a reason to fail."""

import importlib.metadata

import pytest

from envbuild.core.definition import IndexOptions
from envbuild.core.progress import SILENT, Progress
from envbuild.solve.options import SolveOptions
from envbuild.solve.tools import lock_tools

UV = importlib.metadata.version("uv")
RATTLER = importlib.metadata.version("py-rattler")
LINUX = "py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64"


class Notes(Progress):
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


@pytest.fixture
def stocked(index):
    index.add("uv", UV, tag=LINUX)
    index.add("uv", UV, tag="py3-none-win_amd64")
    index.add("uv", "999.0", tag=LINUX)
    index.add("py-rattler", RATTLER, tag="cp310-abi3-manylinux_2_28_x86_64")
    return index


def test_tools_are_pinned_at_our_own_versions_with_their_linux_wheels(stocked):
    where = IndexOptions(index_url=stocked.url)
    [uv] = lock_tools("3.11", where, SolveOptions(), SILENT)
    assert (uv.name, uv.version, [one.filename for one in uv.wheels]) == ("uv", UV, [f"uv-{UV}-{LINUX}.whl"])
    assert all(one.sha256 for one in uv.wheels)
    both = lock_tools("3.11", where, SolveOptions(), SILENT, conda=True)
    assert [(one.name, one.version) for one in both] == [("py-rattler", RATTLER), ("uv", UV)]


def test_the_second_time_no_index_is_asked_and_the_answer_is_the_same(stocked):
    where = IndexOptions(index_url=stocked.url)
    first = lock_tools("3.12", where, SolveOptions(), SILENT)
    before = len(stocked.requests)
    assert lock_tools("3.12", where, SolveOptions(offline=True, update_all=True), SILENT) == first
    assert len(stocked.requests) == before


def test_a_cutoff_before_the_tools_changes_nothing(stocked):
    where = IndexOptions(index_url=stocked.url)
    assert lock_tools("3.10", where, SolveOptions(exclude_newer="2001-01-01T00:00:00Z"), SILENT)


def test_an_index_without_them_is_a_note_and_no_error(index):
    notes = Notes()
    assert lock_tools("3.11", IndexOptions(index_url=index.url), SolveOptions(), notes) == ()
    assert f"uv=={UV} cannot be pinned" in notes.texts[0]

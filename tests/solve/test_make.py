"""Whole locks: definitions over channels of records, an index and a registry, all on loopback."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild.core.definition import Base, Definition, IndexOptions, Origin
from envbuild.core.errors import PlanError, SolveError
from envbuild.core.progress import Progress
from envbuild.formats.detect import read_lock, write_lock
from envbuild.solve.make import make_lock
from envbuild.solve.options import SolveOptions
from tests.solve.asking import requirement
from tests.solve.conda_asking import PINNED_BASE, definition
from tests.solve.repodata import Records
from tests.unit.net.loopback import serving
from tests.unit.net.samples import FakeRegistry, make_image


class Heard(Progress):
    """Keeps what was noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(autouse=True)
def _index(request, index, monkeypatch):
    """Nobody asks the real index; for the installers of a Dockerfile only the one test that is about them asks at all."""
    monkeypatch.setenv("ENVBUILD_INDEX_URL", index.url)
    if "installers" not in request.node.name:
        monkeypatch.setattr("envbuild.solve.tools.lock_tools", lambda *_, **__: ())


@pytest.fixture
def records():
    channel = Records()
    channel.python("3.11.4", "3.12.1", subdirs=("linux-64", "linux-aarch64", "osx-arm64"))
    for version, day in (("1.26.4", 1), ("2.3.5", 30)):
        channel.add("numpy", version, "python >=3.8", day=day)
    channel.add("alpha", "1.0", "python >=3.8")
    channel.add("alpha", "2.0", "python >=3.8", "numpy", day=30)
    return channel


def lock(asked: Definition, previous=None, folder: Path | str = ".", progress=None, **options):
    return make_lock(
        asked,
        folder=Path(folder),
        previous=previous,
        options=SolveOptions(**options),
        progress=progress or Heard(),
    )


def versions(found, platform="linux-64") -> dict[str, str]:
    return {one.name: one.version for one in found.conda if one.platform == platform}


def test_a_conda_definition_is_locked_with_all_that_a_lock_says(records, tmp_path):
    url = records.write(tmp_path)
    asked = definition("python=3.11", "alpha", channels=[url])
    found = lock(asked)
    assert versions(found) == {"python": "3.11.4", "alpha": "2.0", "numpy": "2.3.5"}
    assert found.definition_hash == asked.hash
    assert (found.platforms, found.channels) == (("linux-64",), (url,))
    assert (found.python.version, found.python.provider) == ("3.11.4", "conda")
    assert (found.base.reference, found.base.digest) == (PINNED_BASE, PINNED_BASE.partition("@")[2])
    assert found.virtual_packages == ("__glibc=2.35",)
    assert found.solver.startswith("rattler 0.")
    assert dict(found.conda_content_hash).keys() == {"linux-64"}


def test_the_same_definition_twice_gives_the_same_bytes(records, tmp_path):
    asked = definition("python=3.11", "alpha", channels=[records.write(tmp_path)], platforms=("linux-64", "osx-arm64"))
    first, second = (write_lock(lock(asked), "conda-lock.yml") for _ in range(2))
    assert first == second


def test_an_unchanged_definition_gives_its_lock_back_though_the_channel_moved_on(records, tmp_path):
    asked = definition("python=3.11", "alpha", channels=[records.write(tmp_path)])
    found = lock(asked)
    records.add("alpha", "3.0", "python", day=40)
    records.write(tmp_path)
    assert lock(asked, found) is found


def test_a_definition_that_the_lock_satisfies_only_renews_the_hash(records, tmp_path):
    with records as site:
        found = lock(definition("python=3.11", "alpha", channels=[site.url]))
        before = len(site.requests)
        asked = definition("python=3.11", "alpha >=1", channels=[site.url])
        renewed = lock(asked, found)
        assert len(site.requests) == before
    assert renewed.definition_hash == asked.hash != found.definition_hash
    assert renewed.conda_content_hash != found.conda_content_hash
    assert renewed.conda == found.conda


def test_pip_is_added_with_a_word_about_it(records, index, tmp_path):
    index.add("flask", "3.0")
    heard = Heard()
    lock(definition("python=3.11", channels=[records.write(tmp_path)], pip=["flask"]), progress=heard)
    assert any("no pip" in note for note in heard.notes)


def test_a_lock_read_from_its_file_is_kept_as_it_is(records, tmp_path):
    asked = definition("python=3.11", "alpha", channels=[records.write(tmp_path)])
    text = write_lock(lock(asked), "conda-lock.yml")
    read = read_lock(text, "conda-lock.yml")
    assert write_lock(lock(asked, read), "conda-lock.yml") == text


def test_a_new_dependency_leaves_the_rest_where_it_is(records, tmp_path):
    url = records.write(tmp_path)
    old = lock(definition("python=3.11", "numpy", channels=[url]), exclude_newer="2024-01-20")
    records.add("beta", "1.0", "python", "numpy")
    records.write(tmp_path)
    old = replace(old, exclude_newer="")
    found = lock(definition("python=3.11", "numpy", "beta", channels=[url]), old)
    assert versions(found) == {**versions(old), "beta": "1.0"}
    assert versions(found)["numpy"] == "1.26.4"


def test_the_installers_of_a_dockerfile_are_locked_and_kept(records, index, tmp_path):
    for name in ("uv", "py-rattler"):
        index.add(name, importlib.metadata.version(name))
    url = records.write(tmp_path)
    old = lock(definition("python=3.11", channels=[url]))
    assert [one.name for one in old.tools] == ["py-rattler", "uv"]
    index.releases.clear()
    assert lock(definition("python=3.11", "numpy", channels=[url]), old).tools == old.tools


def test_update_moves_one_package_and_update_all_moves_all(records, tmp_path):
    url = records.write(tmp_path)
    asked = definition("python=3.11", "alpha", "numpy", channels=[url])
    old = replace(lock(asked, exclude_newer="2024-01-20"), exclude_newer="")
    assert versions(old) == {"python": "3.11.4", "alpha": "1.0", "numpy": "1.26.4"}
    assert versions(lock(asked, old, update=("numpy",))) == {**versions(old), "numpy": "2.3.5"}
    assert versions(lock(asked, old, update_all=True)) == {"python": "3.11.4", "alpha": "2.0", "numpy": "2.3.5"}


def test_update_of_a_name_that_nobody_knows_is_an_error(records, tmp_path):
    asked = definition("python=3.11", channels=[records.write(tmp_path)])
    with pytest.raises(SolveError, match="nonesuch is to be updated"):
        lock(asked, lock(asked), update=("nonesuch",))


def test_the_cutoff_of_a_lock_is_used_again(records, tmp_path):
    asked = definition("python=3.11", "alpha", channels=[records.write(tmp_path)])
    old = lock(asked, exclude_newer="2024-01-20")
    assert old.exclude_newer == "2024-01-20"
    again = lock(asked, old, update=("alpha",))
    assert (again.exclude_newer, versions(again)["alpha"]) == ("2024-01-20", "1.0")


def test_a_cutoff_that_is_no_date_is_refused(records, tmp_path):
    with pytest.raises(SolveError, match="'last week' is not understood"):
        lock(definition("python", channels=[records.write(tmp_path)]), exclude_newer="last week")


def test_platforms_come_from_options_then_definition_then_the_previous_lock(records, tmp_path):
    url = records.write(tmp_path)
    asked = definition("python=3.11", channels=[url], platforms=())
    assert lock(asked, platforms=("linux/arm64",)).platforms == ("linux-aarch64",)
    previous = lock(asked, platforms=("osx-arm64",))
    assert lock(asked, previous, update_all=True).platforms == ("osx-arm64",)
    both = lock(definition("python=3.11", channels=[url], platforms=("linux-64", "osx-arm64")))
    assert {one.platform for one in both.conda} == {"linux-64", "osx-arm64"}


def test_a_line_for_one_platform_is_asked_there_alone(records, tmp_path):
    asked = definition("python=3.11", "numpy", channels=[records.write(tmp_path)], platforms=("linux-64", "osx-arm64"))
    only = tuple(replace(one, platforms=("osx-arm64",)) if one.name == "numpy" else one for one in asked.conda)
    found = lock(replace(asked, conda=only))
    assert "numpy" not in versions(found)
    assert "numpy" in versions(found, "osx-arm64")


def test_pip_goes_on_top_of_what_conda_provides(records, index, tmp_path):
    index.add("flask", "3.0", requires=["numpy>=1"])
    index.add("numpy", "9.9")
    asked = definition("python=3.11", "numpy", channels=[records.write(tmp_path)], pip=["flask"])
    found = lock(asked)
    assert versions(found) == {"python": "3.11.4", "numpy": "2.3.5", "pip": "24.0"}
    assert [(one.name, one.version, one.platforms) for one in found.pip] == [("flask", "3.0", ())]


def test_what_pip_cannot_accept_goes_back_to_conda(records, index, tmp_path):
    index.add("numba", "0.58.1", requires=["numpy<2"])
    index.add("numpy", "1.26.4")
    asked = definition("python=3.11", "numpy", channels=[records.write(tmp_path)], pip=["numba"])
    heard = Heard()
    found = lock(asked, progress=heard)
    assert versions(found)["numpy"] == "1.26.4"
    assert [one.name for one in found.pip] == ["numba"]
    assert any("numpy <=1.26.4" in note for note in heard.notes)
    again = lock(asked, found, update=("numba",))
    assert write_lock(again, "conda-lock.yml") == write_lock(found, "conda-lock.yml")


def test_a_real_contradiction_shows_both_sides_in_their_own_lines(records, index, tmp_path):
    index.add("numba", "0.58.1", requires=["numpy<2"])
    index.add("numpy", "1.26.4")
    asked = definition("python=3.11", "numpy=2", channels=[records.write(tmp_path)], pip=["numba"])
    with pytest.raises(SolveError) as caught:
        lock(asked)
    text = str(caught.value)
    assert "environment.yml:2: numpy=2" in text
    assert "requirements.txt:20" in text
    assert text.index("conda's side") < text.index("pip's side") < text.index("requirements.txt:20")


def test_a_pip_definition_takes_python_from_the_base_release(index):
    index.add("flask", "3.0", requires_python=">=3.8")
    asked = pip_definition(index, "flask")
    found = lock(asked)
    assert (found.python.version, found.python.provider) == ("3.10", "apt")
    assert found.conda == ()
    assert [one.name for one in found.pip] == ["flask"]
    assert found.index_url == index.url
    assert lock(asked, found) is found


NEWER = Base(image="registry.example/ubuntu:24.04@sha256:" + "ab" * 32)


def test_apt_packages_are_of_the_day_of_locking_unless_another_is_asked_for():
    asked = Definition(kind="pyproject", apt=("git",), base=NEWER, pip=(), python="3.12")
    made = lock(asked, exclude_newer="2026-01-02T00:00:00Z")
    assert (made.apt.packages, made.apt.snapshot) == (("git",), "20260102T000000Z")
    assert lock(asked, made, exclude_newer="2026-02-03T00:00:00Z").apt.snapshot == made.apt.snapshot
    assert lock(replace(asked, apt_snapshot="2025-12-24"), made).apt.snapshot == "20251224T000000Z"
    assert lock(replace(asked, apt_snapshot="none"), made).apt.snapshot == ""
    older = replace(asked, base=Base(image=PINNED_BASE), python="3.10")
    assert lock(older).apt.snapshot == ""
    with pytest.raises(SolveError, match=r"the apt of ubuntu 22\.04 cannot ask"):
        lock(replace(older, apt_snapshot="2025-12-24"))


def test_a_pip_definition_whose_python_no_one_else_has_gets_it_from_conda(records, index, tmp_path):
    index.add("flask", "3.0")
    asked = pip_definition(index, "flask", python="3.11", channels=(records.write(tmp_path),))
    found = lock(asked)
    assert (found.python.version, found.python.provider) == ("3.11.4", "conda")
    assert versions(found) == {"python": "3.11.4"}
    assert [one.name for one in found.pip] == ["flask"]


def test_where_nobody_has_the_python_both_ways_out_are_named(index, monkeypatch):
    monkeypatch.setattr("envbuild.solve.without_conda.CONDA_CHANNEL", "http://127.0.0.1:9/channel")
    with pytest.raises(SolveError) as caught:
        lock(pip_definition(index, "flask", python="3.11"))
    (problem,) = caught.value.problems
    assert "Python 3.11 is not in base image" in problem.message
    assert "base image that has Python 3.11" in problem.hint
    assert "channel" in problem.hint


def test_a_definition_that_the_user_manages_locks_only_its_base(index):
    asked = replace(
        pip_definition(index, "flask", python="3.10"), user_managed=True, interpreter_path="/opt/py/bin/python"
    )
    found = lock(asked)
    assert (found.conda, found.pip, found.virtual_packages) == ((), (), ())
    assert (found.python.provider, found.python.interpreter) == ("user", "/opt/py/bin/python")
    assert found.base.reference == PINNED_BASE


def test_the_base_is_resolved_and_read_through_its_registry(index):
    index.add("flask", "3.0")
    with serving() as server:
        registry = FakeRegistry(server)
        image = make_image([[("etc/os-release", b'ID=debian\nVERSION_ID="12"\n'), ("usr/local/bin/python3.12", b"")]])
        registry.hold("team/base", "1", image)
        asked = pip_definition(index, "flask", image=registry.reference("team/base:1"), allow_distribution=("debian",))
        found = lock(asked)
        assert found.base.digest == image.digest
        assert (found.base.distribution, found.virtual_packages) == ("debian 12", ("__glibc=2.36",))
        assert (found.python.version, found.python.provider) == ("3.12", "base")
        assert found.python.interpreter == "/usr/local/bin/python3.12"


def test_an_unsupported_base_is_refused_with_what_was_found(index):
    with serving() as server:
        registry = FakeRegistry(server)
        registry.hold("old", "1", make_image([[("etc/os-release", b'ID=ubuntu\nVERSION_ID="14.04"\n')]]))
        with pytest.raises(PlanError, match=r"is ubuntu 14\.04; Ubuntu 16\.04 or later is needed"):
            lock(pip_definition(index, "flask", image=registry.reference("old:1")))


def test_a_digest_is_kept_until_update_base(records, index, tmp_path):
    url = records.write(tmp_path)
    release = [("etc/os-release", b"ID=ubuntu\nVERSION_ID=22.04\n")]
    first, second = make_image([release]), make_image([[*release, ("etc/more", b"x")]])
    with serving() as server:
        registry = FakeRegistry(server)
        registry.hold("base", "1", first)
        asked = definition("python=3.11", channels=[url], base=Base(image=registry.reference("base:1")))
        old = lock(asked)
        registry.hold("base", "1", second)
        assert lock(asked, old) is old
        assert lock(asked, old, update_all=True).base.digest == first.digest
        assert lock(asked, old, update_base=True).base.digest == second.digest


def test_a_registry_out_of_reach_is_a_note_and_the_next_lock_fills_the_digest_in(records, tmp_path):
    url = records.write(tmp_path)
    with serving() as server:
        registry = FakeRegistry(server)
        reference = registry.reference("base:1")
    heard = Heard()
    asked = definition("python=3.11", channels=[url], base=Base(image=reference))
    old = lock(asked, progress=heard)
    assert old.base.digest == ""
    assert any(reference in note for note in heard.notes)
    known = make_lock(
        asked, folder=Path(), previous=old, options=SolveOptions(), inspect_base=lambda _: "sha256:" + "cd" * 32
    )
    assert known.base.digest == "sha256:" + "cd" * 32
    assert replace(known, base=old.base) == old


def test_offline_asks_nobody_for_the_base(index, records):
    with records as site, serving() as server:
        reference = FakeRegistry(server).reference("base:1")
        asked = definition("python=3.11", channels=[site.url], base=Base(image=reference))
        lock(asked, offline=False)
        server.requests.clear()
        assert lock(asked, offline=True).base.digest == ""
        assert not server.requests


def test_the_conda_lock_solver_says_what_it_needs(records, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CONDA_EXE", raising=False)
    with pytest.raises(SolveError, match="needs a conda, mamba or micromamba"):
        lock(definition("python", channels=[records.write(tmp_path)]), solver="conda-lock")


def pip_definition(index, *lines: str, image: str = PINNED_BASE, **fields) -> Definition:
    return Definition(
        kind="requirements",
        pip=tuple(requirement(text, line) for line, text in enumerate(lines, 1)),
        index=IndexOptions(index_url=index.url),
        platforms=("linux-64",),
        base=Base(image=image),
        origin=Origin(file="requirements.txt"),
        **fields,
    )


def test_a_python_that_nobody_named_gives_way_to_what_is_asked_and_stays(index):
    index.add("old", "1.0", tag="cp310-cp310-manylinux_2_17_x86_64")
    index.add("new", "1.0")
    heard = Heard()
    asked = Definition(kind="requirements", pip=(requirement("old"),))
    found = lock(asked, progress=heard, offline=False, platforms=("linux-64",))
    assert (found.python.version, found.base.reference) == ("3.10", "ubuntu:22.04")
    assert found.definition_hash == asked.hash
    assert any("Python 3.10 is taken" in note for note in heard.notes)
    more = replace(asked, pip=(requirement("old"), requirement("new", 2)))
    again = lock(more, found)
    assert (again.python, again.base.reference, len(again.pip)) == (found.python, "ubuntu:22.04", 2)
    assert lock(asked, found) == found


def test_a_python_that_is_named_stays_and_the_error_says_which_one_would_do(index):
    index.add("old", "1.0", tag="cp310-cp310-manylinux_2_17_x86_64")
    with pytest.raises(SolveError, match=r"with Python 3\.12") as caught:
        lock(Definition(kind="requirements", python="3.12", pip=(requirement("old"),)), platforms=("linux-64",))
    assert caught.value.problems[0].hint == "with Python 3.10 there is an answer"


def test_pips_side_may_ask_conda_for_another_python(records, index, tmp_path):
    index.add("old", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    asked = definition("python", channels=[records.write(tmp_path)], pip=["old"])
    assert versions(lock(asked))["python"] == "3.11.4"


def test_a_python_that_conda_must_have_and_pip_cannot_take_is_a_contradiction_of_both_lines(records, index, tmp_path):
    index.add("old", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    asked = definition("python=3.12", channels=[records.write(tmp_path)], pip=["old"])
    with pytest.raises(SolveError, match="conda and pip cannot agree on python") as caught:
        lock(asked)
    text = str(caught.value)
    assert "environment.yml:1: python=3.12" in text
    assert "`old` cannot be satisfied with Python 3.12.1" in text
    assert "with Python 3.11 there is an answer" in text

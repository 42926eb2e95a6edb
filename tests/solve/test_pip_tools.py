"""The pip side with pip-tools, against an index on loopback; and both resolvers side by side."""

import pytest

from envbuild.core.definition import IndexOptions
from envbuild.core.errors import NetworkError, SolveError
from envbuild.core.platforms import this_platform
from envbuild.solve.options import PipConflictError, SolveOptions
from tests.solve.asking import pins, requirement, resolve
from tests.support.index import Index

PIP_TOOLS = SolveOptions(pip_resolver="pip-tools")
HERE = (this_platform().subdir,)


@pytest.fixture
def stocked(index):
    index.add("app", "1.0", requires=["lib>=1", "win; sys_platform == 'win32'"])
    for version in ("1.0", "1.5", "2.0"):
        index.add("lib", version, requires_python=">=3.8")
    index.add("win", "1.0")
    index.add("typed", "1.0", extras={"more": ["lib<2"]})
    return index


@pytest.mark.parametrize(
    "lines", [["app"], ["app", "lib<2"], ["typed[more]", "app"], ["lib~=1.0", "typed"]], ids=" ".join
)
def test_both_resolvers_give_the_same_pins_files_and_graph(stocked, lines):
    by_uv = resolve(*lines, index=stocked.url, platforms=HERE)
    by_pip = resolve(*lines, index=stocked.url, platforms=HERE, options=PIP_TOOLS)
    assert pins(by_pip) == pins(by_uv)
    for ours, theirs in zip(by_pip, by_uv, strict=True):
        assert [(one.filename, one.url, one.hashes, one.upload_time) for one in ours.wheels] == [
            (one.filename, one.url, one.hashes, one.upload_time) for one in theirs.wheels
        ]
        assert (ours.dependencies, ours.index, ours.platforms) == (theirs.dependencies, theirs.index, theirs.platforms)


def test_sizes_and_python_bounds_come_from_the_index(stocked):
    [lib] = resolve("lib", index=stocked.url, options=PIP_TOOLS)
    release = next(one for one in stocked.releases if (one.name, one.version) == ("lib", "2.0"))
    assert (lib.requires_python, lib.wheels[0].size) == (">=3.8", len(release.content))


def test_what_is_provided_is_fixed_and_a_conflict_says_what_would_be_taken(stocked):
    stocked.add("needy", "1.0", requires=["lib<2"])
    assert pins(resolve("app", index=stocked.url, provided={"lib": "1.7"}, options=PIP_TOOLS)) == {"app": "1.0"}
    with pytest.raises(PipConflictError) as caught:
        resolve("app", "needy", index=stocked.url, provided={"lib": "2.0"}, options=PIP_TOOLS)
    assert caught.value.wanted == {"lib": "1.5"}
    assert "`needy`" in str(caught.value)
    assert "+conda" not in str(caught.value)


def test_a_contradiction_is_told_in_the_own_lines(stocked):
    with pytest.raises(SolveError) as caught:
        resolve("app", "lib<1.2", "lib>1.2", index=stocked.url, options=PIP_TOOLS)
    text = str(caught.value)
    assert "`lib<1.2`" in text.splitlines()[0]
    assert "Traceback" not in text
    assert "/tmp" not in text


def test_previous_versions_stay_unless_freed(stocked):
    first = resolve("app", index=stocked.url, options=PIP_TOOLS)
    stocked.add("lib", "3.0")
    assert resolve("app", index=stocked.url, options=PIP_TOOLS, previous=first) == first
    freed = SolveOptions(pip_resolver="pip-tools", update=("lib",))
    assert pins(resolve("app", index=stocked.url, options=freed, previous=first))["lib"] == "3.0"


def test_an_index_that_is_asked_later_cannot_slip_in_a_twin(stocked):
    with Index() as private:
        private.add("lib", "1.0")
        where = IndexOptions(index_url=stocked.url, extra_index_urls=(private.url,))
        with pytest.raises(SolveError, match=r"lib 2\.0 comes from another index"):
            resolve("lib", index=where, options=PIP_TOOLS)


def test_wheels_by_path_and_by_url_are_hashed(stocked, tmp_path):
    mine = stocked.add("mine", "3.0")
    other = stocked.add("other", "4.0")
    (tmp_path / mine.file_name).write_bytes(mine.content)
    lines = [f"./{mine.file_name}", f"other @ {stocked.file_url(other)}"]
    found = resolve(*lines, index=stocked.url, folder=tmp_path, options=PIP_TOOLS)
    assert [(one.version, one.archive.path, one.archive.url, one.archive.sha256) for one in found] == [
        ("3.0", mine.file_name, "", mine.sha256),
        ("4.0", "", stocked.file_url(other), other.sha256),
    ]


def test_wheels_of_a_folder_are_locked_by_path(index, tmp_path):
    release = index.add("lib", "1.0")
    (tmp_path / "my wheels").mkdir()
    (tmp_path / "my wheels" / release.file_name).write_bytes(release.content)
    where = IndexOptions(no_index=True, find_links=("my wheels",))
    [lib] = resolve("lib", index=where, folder=tmp_path, options=PIP_TOOLS)
    assert (lib.wheels[0].path, lib.wheels[0].sha256) == (f"my wheels/{release.file_name}", release.sha256)


def test_credentials_reach_the_index_and_nothing_else(private_index):
    private_index.add("lib", "1.0")
    url = private_index.with_credentials(private_index.url)
    [lib] = resolve("lib", index=url, options=PIP_TOOLS)
    assert lib.wheels[0].url.startswith(private_index.root)
    assert "s3cret" not in repr(lib)
    with pytest.raises(SolveError) as caught:
        resolve("lib>1", index=url, options=PIP_TOOLS)
    assert "s3cret" not in str(caught.value)


def test_configuration_of_the_machine_does_not_leak(stocked, monkeypatch, tmp_path):
    with Index() as evil:
        evil.add("lib", "99.0")
        (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {evil.url}\nextra-index-url = {evil.url}\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", evil.url)
        assert pins(resolve("lib", index=stocked.url, options=PIP_TOOLS)) == {"lib": "2.0"}
        assert evil.requests == []


@pytest.mark.parametrize(
    ("line", "fields", "reason"),
    [
        ("lib", {"platforms": ("win-64",)}, "win-64"),
        ("lib", {"options": SolveOptions(pip_resolver="pip-tools", offline=True)}, "offline"),
        (
            requirement("v @ git+https://index.example/v"),
            {"options": SolveOptions(pip_resolver="pip-tools", sdist_allowed=("v",))},
            "version control",
        ),
    ],
)
def test_what_pip_tools_cannot_answer_is_refused_with_the_other_resolver_named(line, fields, reason):
    with pytest.raises(SolveError, match=f"{reason}(?s:.)*--pip-resolver uv"):
        resolve(line, **{"options": PIP_TOOLS, **fields})


@pytest.mark.parametrize("status", [403, 500])
def test_an_index_that_fails_does_not_open_the_way_for_a_public_twin(index, status):
    """pip goes on to the next index where one refuses: what it finds there is not taken."""
    with Index() as private:
        private.add("lib", "1.0")
        index.add("lib", "9.0")
        private.broken["/simple/lib/"] = status
        with pytest.raises((NetworkError, SolveError), match="lib"):
            resolve("lib", index=IndexOptions(index_url=index.url, extra_index_urls=(private.url,)), options=PIP_TOOLS)

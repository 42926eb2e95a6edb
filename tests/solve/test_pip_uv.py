"""The pip side with uv, against an index on loopback."""

import re
import zipfile

import pytest

from envbuild import programs
from envbuild.core.definition import IndexOptions
from envbuild.core.errors import IntegrityError, NetworkError, SolveError
from envbuild.core.progress import Progress
from envbuild.solve.options import PipConflictError, SolveOptions
from envbuild.solve.pip import resolve_pip
from tests.solve.asking import pins, question, requirement, resolve
from tests.support.index import Index


class Notes(Progress):
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


@pytest.fixture
def stocked(index):
    index.add("app", "1.0", requires=["lib>=1", "win; sys_platform == 'win32'", "late; python_version >= '3.12'"])
    for version in ("1.0", "1.5", "2.0"):
        index.add("lib", version)
    index.add("win", "1.0")
    index.add("late", "1.0")
    return index


def test_files_hashes_graph_and_index_are_in_the_answer(stocked):
    app, lib, win = resolve("app", index=stocked.url)
    [release] = [one for one in stocked.releases if (one.name, one.version) == ("lib", "2.0")]
    assert (lib.name, lib.version, lib.index) == ("lib", "2.0", stocked.url)
    [wheel] = lib.wheels
    assert (wheel.filename, wheel.url, wheel.sha256) == (release.file_name, stocked.file_url(release), release.sha256)
    assert wheel.upload_time == "2024-01-01T00:00:00Z"
    assert app.dependencies == ("lib", "win")
    assert win.marker == "sys_platform == 'win32'"


def test_what_only_another_python_needs_is_left_out(stocked):
    assert "late" not in pins(resolve("app", index=stocked.url, python="3.11"))
    assert pins(resolve("app", index=stocked.url, python="3.12"))["late"] == "1.0"


def test_a_package_that_gave_up_this_python_does_not_split_the_answer(index):
    index.add("lib", "1.0", requires_python=">=3.9")
    index.add("lib", "2.0", requires_python=">=3.12")
    assert pins(resolve("lib", index=index.url, python="3.11")) == {"lib": "1.0"}


def test_wheels_of_other_pythons_are_left_out_and_those_of_other_platforms_stay(index):
    tags = [
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp311-cp311-win_amd64",
        "cp312-cp312-win_amd64",
        "cp39-abi3-macosx_11_0_arm64",
    ]
    for tag in tags:
        index.add("lib", "1.0", tag=tag)
    [lib] = resolve("lib", index=index.url)
    assert [one.filename.partition("-1.0-")[2].removesuffix(".whl") for one in lib.wheels] == [
        tags[0],
        tags[1],
        tags[3],
    ]


def test_one_platform_at_a_time_resolves_markers(stocked):
    found = resolve("app", index=stocked.url, platforms=("linux-64", "win-64", "linux-ppc64le"))
    assert {one.platforms for one in found if one.name == "win"} == {("win-64",)}
    assert all(one.marker == "" for one in found)
    assert sorted(one.platforms[0] for one in found if one.name == "app") == ["linux-64", "linux-ppc64le", "win-64"]


def test_a_wheel_that_needs_a_newer_c_library_is_not_taken(index):
    index.add("lib", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    index.add("lib", "2.0", tag="cp311-cp311-manylinux_2_35_x86_64")
    assert pins(resolve("lib", index=index.url, platforms=("linux-64",), glibc=(2, 31))) == {"lib": "1.0"}
    assert pins(resolve("lib", index=index.url, platforms=("linux-64",), glibc=(2, 39))) == {"lib": "2.0"}


def test_several_platforms_together_have_wheels_for_each_and_nothing_for_others(index):
    index.add("lib", "1.0", requires=["win; sys_platform == 'win32'", "mac; sys_platform == 'darwin'"])
    index.add("lib", "2.0", tag="cp311-cp311-win_amd64")
    index.add("mac", "1.0")
    index.add("win", "1.0")
    both = SolveOptions(platforms=("linux-64", "osx-arm64"))
    lib, mac = resolve("lib", index=index.url, options=both)
    assert (lib.version, lib.marker, lib.platforms) == ("1.0", "", ())
    assert (mac.name, mac.marker) == ("mac", "sys_platform == 'darwin'")


def test_where_one_answer_for_all_has_no_wheel_for_an_old_c_library_each_platform_is_answered_alone(index):
    for version, glibc in (("1.0", "2_17"), ("2.0", "2_35")):
        index.add("lib", version, tag=f"cp311-cp311-manylinux_{glibc}_x86_64")
        index.add("lib", version, tag="cp311-cp311-win_amd64")
    both = SolveOptions(platforms=("linux-64", "win-64"))
    found = resolve("lib", index=index.url, options=both, glibc=(2, 31))
    assert {one.platforms: one.version for one in found} == {("linux-64",): "1.0", ("win-64",): "2.0"}
    assert pins(resolve("lib", index=index.url, options=both, glibc=(2, 36))) == {"lib": "2.0"}


def test_what_is_provided_is_a_fixed_point_and_not_in_the_answer(stocked):
    found = resolve("app", index=stocked.url, provided={"lib": "1.7", "other": "9e"})
    assert pins(found) == {"app": "1.0", "win": "1.0"}
    assert found[0].dependencies == ("win",)


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_an_extra_of_what_is_provided_brings_what_it_needs(stocked, resolver):
    extras = {"array": ["lib<2"], "all": ["typed[array]", "win"], "unasked": ["app"]}
    stocked.add("typed", "1.0", requires=["never"], extras=extras)
    options = SolveOptions(pip_resolver=resolver)
    found = resolve("typed[all]", index=stocked.url, provided={"typed": "1.0"}, options=options)
    assert pins(found) == {"lib": "1.5", "win": "1.0"}


def test_an_extra_that_no_index_can_tell_is_a_note(stocked):
    notes = Notes()
    request = question("typed[array]", "lib", index=stocked.url, provided={"typed": "1.0"})
    assert pins(resolve_pip(request, notes)) == {"lib": "2.0"}
    assert "typed[array]" in notes.texts[0]


def test_provided_may_be_on_no_index_at_all(index):
    index.add("app", "1.0", requires=["secret>=2"])
    assert pins(resolve("app", index=index.url, provided={"secret": "2.5"})) == {"app": "1.0"}


def test_a_conflict_with_what_is_provided_says_what_would_be_taken_instead(stocked):
    stocked.add("needy", "1.0", requires=["lib<2"])
    with pytest.raises(PipConflictError) as caught:
        resolve("app", "needy", index=stocked.url, provided={"lib": "2.0"}, platforms=("linux-64",))
    assert caught.value.wanted == {"lib": "1.5"}
    text = str(caught.value)
    assert (
        "`needy` (requirements.txt:2) and lib 2.0 (already provided) cannot be satisfied together"
        in text.splitlines()[0]
    )
    assert "lib 2.0 (provided)" in text
    assert "+conda" not in text


def test_a_contradiction_that_is_not_the_provided_ones_fault_is_an_ordinary_one(stocked):
    with pytest.raises(SolveError) as caught:
        resolve("lib<1.2", "lib>1.2", "app", index=stocked.url, provided={"lib": "2.0"})
    assert not isinstance(caught.value, PipConflictError)


def test_own_lines_come_first_in_an_error_and_nothing_internal_shows(stocked):
    with pytest.raises(SolveError) as caught:
        resolve("app", "lib<1.2", "lib>1.2", index=stocked.url)
    text = str(caught.value)
    assert text.startswith(
        "requirements.txt:2: `lib<1.2` and `lib>1.2` (requirements.txt:3) cannot be satisfied together\n"
    )
    assert "python_full_version" not in text
    assert "/tmp" not in text


def test_a_name_that_no_index_has_is_named_with_a_hint(stocked):
    with pytest.raises(SolveError, match=r"requirements.txt:2: `tpyo`(?s:.)*--extra-index-url"):
        resolve("app", "tpyo", index=stocked.url)


def test_previous_versions_stay_unless_freed(stocked):
    first = resolve("app", index=stocked.url)
    stocked.add("lib", "3.0")
    stocked.add("app", "2.0", requires=["lib"])
    assert resolve("app", index=stocked.url, previous=first) == first
    one = resolve("app", index=stocked.url, previous=first, options=SolveOptions(update=("lib",)))
    assert pins(one) == {"app": "1.0", "lib": "3.0", "win": "1.0"}
    every = resolve("app", index=stocked.url, previous=first, options=SolveOptions(update_all=True))
    assert pins(every) == {"app": "2.0", "lib": "3.0"}


def test_a_new_requirement_moves_nothing_else(stocked):
    first = resolve("app", index=stocked.url)
    stocked.add("lib", "3.0")
    stocked.add("extra", "1.0", requires=["lib>=1"])
    second = resolve("app", "extra", index=stocked.url, previous=first)
    assert [one for one in second if one.name != "extra"] == list(first)


def test_a_day_in_the_past_is_asked_as_it_was(index):
    index.add("lib", "1.0", upload_time="2024-01-01T00:00:00Z")
    index.add("lib", "2.0", upload_time="2025-01-01T00:00:00Z")
    options = SolveOptions(exclude_newer="2024-06-01T00:00:00Z")
    assert pins(resolve("lib", index=index.url, options=options)) == {"lib": "1.0"}


def test_constraints_bind_without_being_installed(stocked):
    found = resolve("app", index=stocked.url, constraints=(requirement("lib<2"), requirement("late<1")))
    assert pins(found)["lib"] == "1.5"
    assert "late" not in pins(found)


def test_pre_releases_are_taken_only_when_asked(index):
    index.add("lib", "1.0")
    index.add("lib", "2.0rc1")
    assert pins(resolve("lib", index=index.url)) == {"lib": "1.0"}
    assert pins(resolve("lib", index=IndexOptions(index_url=index.url, pre=True))) == {"lib": "2.0rc1"}


def test_only_hashes_that_the_definition_accepts_are_kept(index):
    first = index.add("lib", "1.0", tag="cp311-cp311-win_amd64")
    index.add("lib", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    [lib] = resolve(requirement("lib==1.0", 1, f"sha256:{first.sha256}"), index=index.url)
    assert [one.sha256 for one in lib.wheels] == [first.sha256]
    with pytest.raises(IntegrityError, match=r"lib 1\.0"):
        resolve(requirement("lib==1.0", 1, "sha256:" + "0" * 64), index=index.url)


def test_a_private_index_comes_first_and_hides_the_public_twin(index):
    with Index() as private:
        private.add("lib", "1.0")
        index.add("lib", "99.0")
        index.add("other", "1.0")
        where = IndexOptions(index_url=index.url, extra_index_urls=(private.url,))
        found = resolve("lib", "other", index=where)
        assert pins(found) == {"lib": "1.0", "other": "1.0"}
        assert [one.index for one in found] == [private.url, index.url]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_an_index_that_fails_does_not_open_the_way_for_a_public_twin(index, monkeypatch, status):
    """Whoever can make the private index fail must not choose what is installed."""
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with Index() as private:
        private.add("lib", "1.0")
        index.add("lib", "9.0")
        private.broken["/simple/lib/"] = status
        with pytest.raises((NetworkError, SolveError), match="lib"):
            resolve("lib", index=IndexOptions(index_url=index.url, extra_index_urls=(private.url,)))


def test_credentials_reach_the_index_and_nothing_else(private_index, monkeypatch):
    private_index.add("lib", "1.0")
    monkeypatch.setenv("READER_PASSWORD", "s3cret-pass")
    url = private_index.url.replace("://", "://reader:${READER_PASSWORD}@")
    [lib] = resolve("lib", index=url)
    assert lib.wheels[0].url.startswith(private_index.root)
    assert "s3cret" not in repr(lib)
    with pytest.raises(SolveError) as caught:
        resolve("lib>1", index=url)
    assert "s3cret" not in str(caught.value)


def test_wrong_credentials_are_said_without_showing_them(private_index):
    private_index.add("lib", "1.0")
    url = private_index.url.replace("://", "://reader:wrong-pass@")
    with pytest.raises((NetworkError, SolveError)) as caught:
        resolve("lib", index=url)
    assert "wrong-pass" not in str(caught.value)
    assert "requirements.txt:1" in str(caught.value)


def test_an_index_that_fails_is_a_network_error(stocked, monkeypatch):
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    stocked.broken["/simple/app/"] = 500
    with pytest.raises(NetworkError, match=r"requirements.txt:1: `app`"):
        resolve("app", index=stocked.url)


def test_configuration_of_the_machine_does_not_leak(stocked, monkeypatch, tmp_path):
    with Index() as evil:
        evil.add("lib", "99.0")
        evil.add("app", "99.0")
        (tmp_path / "uv.toml").write_text(f'[[index]]\nurl = "{evil.url}"\ndefault = true\n')
        for name in ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
            monkeypatch.setenv(name, evil.url)
        monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
        assert pins(resolve("app", index=stocked.url))["lib"] == "2.0"
        assert evil.requests == []


def test_the_default_index_can_be_replaced_on_a_machine(stocked, monkeypatch):
    monkeypatch.setenv("ENVBUILD_INDEX_URL", stocked.url)
    assert pins(resolve("lib")) == {"lib": "2.0"}


def test_offline_answers_from_the_cache_and_says_so_where_it_cannot(stocked):
    offline = SolveOptions(offline=True)
    first = resolve("app", index=stocked.url)
    before = len(stocked.requests)
    assert resolve("app", index=stocked.url, options=offline) == first
    assert len(stocked.requests) == before
    with pytest.raises(SolveError, match="--offline"):
        resolve("never-seen", index=stocked.url, options=offline)


def test_a_wheel_by_path_is_locked_relative_and_hashed(stocked, tmp_path):
    wheel = stocked.add("mine", "3.0", requires=["lib<2"])
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / wheel.file_name).write_bytes(wheel.content)
    lib, mine = resolve(f"./wheels/{wheel.file_name}", index=stocked.url, folder=tmp_path)
    assert (lib.version, mine.version, mine.dependencies) == ("1.5", "3.0", ("lib",))
    assert (mine.archive.path, mine.archive.url, mine.archive.sha256) == (f"wheels/{wheel.file_name}", "", wheel.sha256)
    assert str(tmp_path) not in repr(mine)


def test_a_wheel_by_url_is_hashed(stocked):
    release = stocked.add("mine", "3.0")
    [mine] = resolve(f"mine @ {stocked.file_url(release)}", index=stocked.url)
    assert (mine.archive.url, mine.archive.sha256) == (stocked.file_url(release), release.sha256)


def test_wheels_of_a_folder_are_locked_by_path(index, tmp_path):
    release = index.add("lib", "1.0")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / release.file_name).write_bytes(release.content)
    [lib] = resolve("lib", index=IndexOptions(no_index=True, find_links=("wheels",)), folder=tmp_path)
    assert (lib.wheels[0].path, lib.wheels[0].sha256, lib.index) == (f"wheels/{release.file_name}", release.sha256, "")


def test_source_is_refused_unless_allowed_by_name(tmp_path):
    make_source(tmp_path)
    where = IndexOptions(no_index=True, find_links=("dist",))
    with pytest.raises(SolveError, match=r"requirements.txt:1: `srconly`(?s:.)*--allow-sdist srconly"):
        resolve("srconly", index=where, folder=tmp_path)
    [found] = resolve("srconly", index=where, folder=tmp_path, options=SolveOptions(sdist_allowed=("srconly",)))
    assert (found.wheels, found.sdist.path) == ((), "dist/srconly-1.0.zip")


def test_version_control_is_locked_at_a_commit(tmp_path):
    (tmp_path / "vv.py").touch()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "vv"\nversion = "1.2"\n')
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@index.example"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        programs.run([*git, *arguments])
    commit = programs.run([*git, "rev-parse", "HEAD"]).stdout.strip()
    line = f"vv @ git+{tmp_path.as_uri()}@main"
    allowed = SolveOptions(sdist_allowed=("vv",))
    none = IndexOptions(no_index=True)
    with pytest.raises(SolveError, match="version control"):
        resolve(line, index=none)
    [found] = resolve(line, index=none, options=allowed)
    assert (found.version, found.vcs.type, found.vcs.commit, found.vcs.requested_revision) == (
        "1.2",
        "git",
        commit,
        "main",
    )
    programs.run([*git, "commit", "-q", "--allow-empty", "-m", "second"])
    [kept] = resolve(line, index=none, options=allowed, previous=(found,))
    assert kept.vcs.commit == commit


def test_a_python_that_is_no_version_is_refused(stocked):
    with pytest.raises(SolveError, match=re.escape("'three'")):
        resolve("lib", index=stocked.url, python="three")


def test_the_graph_is_the_same_from_uvs_log_and_from_its_annotations(stocked, monkeypatch):
    stocked.add("typed", "1.0", extras={"more": ["lib<2", "app"]})
    stocked.add("typed", "2.0", requires=["absent"])
    lines = ["typed[more]", "win; sys_platform == 'win32'"]
    from_log = resolve(*lines, index=stocked.url)
    assert from_log[-2].dependencies == ("app", "lib")
    monkeypatch.setattr("envbuild.solve.uv.parse_log", lambda *_: None)
    assert resolve(*lines, index=stocked.url) == from_log


def make_source(folder):
    """Write a source distribution whose build back end is its own and needs nothing."""
    backend = """
def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(directory, config_settings=None):
    import pathlib

    info = pathlib.Path(directory, "srconly-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: srconly\\nVersion: 1.0\\n")
    return info.name
"""
    (folder / "dist").mkdir()
    with zipfile.ZipFile(folder / "dist" / "srconly-1.0.zip", "w") as archive:
        archive.writestr("srconly-1.0/PKG-INFO", "Metadata-Version: 2.1\nName: srconly\nVersion: 1.0\n")
        archive.writestr(
            "srconly-1.0/pyproject.toml",
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        )
        archive.writestr("srconly-1.0/backend.py", backend)

"""Lock files of other tools: what of them arrives in a lock."""

import pytest

from envbuild.core.errors import LockError
from envbuild.core.lock import LockedPython, Vcs
from envbuild.formats.detect import read_lock
from envbuild.formats.pixi_lock import read_pixi
from tests.unit.formats import samples
from tests.unit.formats.locks import CHANNEL, INDEX, digest


def by_name(packages):
    return {one.name: one for one in packages}


COMMIT = digest("x", "sha1")


def test_pixi_6_gives_the_default_environment():
    lock = read_lock(samples.PIXI_6, "pixi.lock")
    assert (lock.platforms, lock.channels, lock.index_url) == (("linux-64", "win-64"), (CHANNEL,), INDEX)
    assert lock.python == LockedPython(version="3.11.9", provider="conda")
    assert [(one.name, one.platform, one.subdir) for one in lock.conda] == [
        ("python", "linux-64", "linux-64"),
        ("tzdata", "linux-64", "noarch"),
        ("tzdata", "win-64", "noarch"),
    ]
    python = lock.conda[0]
    assert (python.build, python.size, python.license) == ("h1_0_cpython", 100, "Python-2.0")
    assert python.depends == ("__glibc >=2.17,<3.0.a0", "tzdata")
    assert python.constrains == ("python_abi 3.11.* *_cp311",)


def test_pixi_6_pip_packages_are_files_commits_or_folders():
    pip = by_name(read_lock(samples.PIXI_6, "pixi.lock").pip)
    assert (pip["flask"].platforms, pip["flask"].dependencies) == ((), ("numpy",))
    assert (pip["numpy"].platforms, pip["numpy"].wheels[0].sha256) == (("linux-64",), digest("n"))
    assert pip["local"].directory == "./local"
    assert pip["thing"].vcs == Vcs(
        type="git",
        url="https://git.example/a/thing.git",
        commit=COMMIT,
        requested_revision="v1",
        subdirectory="py",
    )


def test_pixi_5_names_its_packages_by_kind():
    lock = read_lock(samples.PIXI_5, "pixi.lock")
    assert [(one.name, one.build_number, one.size) for one in lock.conda] == [("zlib", 2, 5)]
    assert lock.pip[0].archive.sha256 == digest("f")


def test_pixi_7_platforms_have_a_subdir_and_the_environment_is_chosen_by_name():
    with pytest.raises(LockError, match=r"no environment 'default' \(it has: test, other\)"):
        read_lock(samples.PIXI_7, "pixi.lock")
    lock = read_pixi(samples.PIXI_7, "pixi.lock", "test")
    assert (lock.platforms, lock.virtual_packages) == (("linux-64",), ("__cuda=12.4=0",))
    assert [one.platform for one in lock.conda] == ["linux-64"]


def test_pixi_packages_built_from_source_are_refused_with_their_line():
    with pytest.raises(LockError, match=r"pixi\.lock:\d+: .*thing\[1234abcd\] @ \.\./thing is built from source"):
        read_pixi(samples.PIXI_7, "pixi.lock", "other")


def test_uv_packages_name_the_platforms_that_reach_them():
    lock = read_lock(samples.UV, "uv.lock")
    pip = by_name(lock.pip)
    assert sorted(pip) == ["colorama", "flask", "speed", "thing"]
    assert pip["colorama"].platforms == ("win-64",)
    assert pip["flask"].platforms == ()
    assert lock.python == LockedPython(version="3.11", provider="base")
    assert lock.index_url == INDEX


def test_uv_sources_are_files_urls_and_commits():
    pip = by_name(read_lock(samples.UV, "uv.lock").pip)
    assert pip["colorama"].wheels[0].upload_time == "2026-01-02T03:04:05.6Z"
    assert (pip["flask"].sdist.size, pip["flask"].wheels[0].sha256) == (4, digest("f"))
    assert pip["speed"].archive.sha256 == digest("q")
    assert (pip["thing"].vcs.commit, pip["thing"].vcs.requested_revision) == (COMMIT, "v1")


def test_poetry_gives_pins_and_hashes_of_the_main_group():
    lock = read_lock(samples.POETRY, "poetry.lock")
    pip = by_name(lock.pip)
    assert sorted(pip) == ["flask", "thing"]
    assert pip["flask"].dependencies == ("thing",)
    assert pip["flask"].marker == 'python_version >= "3.8"'
    assert [(one.filename, one.sha256) for one in pip["flask"].files] == [
        ("flask-3.0.0-py3-none-any.whl", digest("f")),
        ("flask-3.0.0.tar.gz", digest("s")),
    ]
    assert pip["thing"].vcs.commit == COMMIT
    assert lock.python == LockedPython(version="3.10", provider="base")


def test_pipfile_gives_pins_and_hashes_without_files():
    lock = read_lock(samples.PIPFILE, "Pipfile.lock")
    pip = by_name(lock.pip)
    assert sorted(pip) == ["flask", "thing"]
    assert {one.sha256 for one in pip["flask"].wheels} == {digest("f"), digest("s")}
    assert lock.index_url == INDEX
    assert lock.python == LockedPython(version="3.11", provider="base")


def test_mamba_urls_are_made_of_the_channel():
    lock = read_lock(samples.MAMBA, "lock.json")
    assert [one.url for one in lock.conda] == [f"{CHANNEL}/linux-64/zlib-1.3-h1_2.conda"]
    assert [one.name for one in lock.pip] == ["flask"]


@pytest.mark.parametrize(
    ("text", "old", "new", "message"),
    [
        (samples.PIXI_6, "version: 6", "version: 8", r"f:1: version: '8' is not a version of pixi\.lock"),
        (samples.PIXI_6, "- pypi: ./local\n      win", "- pypi: ./gone\n      win", r"'\./gone' is not among the file's packages"),
        (samples.UV, "version = 1\n", "version = 2\n", r"f: version: 2 is not a version of uv\.lock"),
        (samples.UV, '{ name = "flask" }', '{ name = "flusk" }', r"flusk is not among the file's packages"),
        (samples.UV, f"#{COMMIT}", "", "names no commit"),
        (samples.POETRY, '"2.1"', '"3.0"', r"metadata\.lock-version: '3\.0' is not a version"),
        (samples.PIPFILE, '"pipfile-spec": 6', '"pipfile-spec": 5', "pipfile-spec: is not 6"),
        (samples.PIPFILE, "{\n", "{{\n", "f:1: is not JSON"),
        (samples.MAMBA, '"1.0.0"', '"0.1.0"', r"lockVersion: '0\.1\.0' is not a version"),
        (samples.MAMBA, '"channel": "main"', '"channel": "gone"', r"packages\.zlib-1\.3-h1_2\.conda\.channel: 'gone'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(text, old, new, message):
    assert old in text
    with pytest.raises(LockError, match=message):
        read_lock(text.replace(old, new, 1), "f")

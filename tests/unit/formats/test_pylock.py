import difflib
import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from packaging.pylock import Pylock

from envbuild.core.errors import LockError, PlanError
from envbuild.core.lock import PipFile
from envbuild.core.platforms import PLATFORMS
from envbuild.core.selection import _tag_ranks, marker_environment, select
from envbuild.formats.canonical import canonical
from envbuild.formats.pylock import read_pylock, write_pylock
from tests.unit.formats.locks import WHEEL_TAGS, locks, pip_package, small_lock, wheel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

relaxed = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@relaxed
@given(lock=locks(conda=False))
def test_what_is_written_reads_back_as_the_canonical_lock(lock):
    again = read_pylock(write_pylock(lock), "pylock.toml")
    assert again == canonical(lock)
    assert again.sources == lock.sources


@relaxed
@given(lock=locks(conda=False))
def test_writing_what_was_read_changes_no_byte(lock):
    text = write_pylock(lock)
    assert write_pylock(read_pylock(text, "pylock.toml")) == text


@relaxed
@given(lock=locks(conda=False))
def test_the_specification_accepts_every_file(lock):
    parsed = Pylock.from_dict(tomllib.loads(write_pylock(lock)))
    parsed.validate()
    assert len(parsed.packages) == len(lock.pip)


@relaxed
@given(lock=locks(conda=False))
def test_the_specifications_selection_is_ours_on_every_platform(lock):
    parsed = Pylock.from_dict(tomllib.loads(write_pylock(lock)))
    for name in lock.platforms:
        try:
            ours = select(lock, name).pip
        except PlanError:
            continue
        target = PLATFORMS[name]
        theirs = parsed.select(environment=marker_environment(lock, target), tags=list(_tag_ranks(lock, target)))
        chosen = {package.name: getattr(file, "hashes", None) for package, file in theirs}
        assert chosen == {one.package.name: one.file and dict(one.file.hashes) for one in ours}


def test_one_moved_package_changes_only_its_own_lines():
    old = small_lock(conda=(), pip=tuple(pip_package(f"package{number}") for number in range(50)))
    new = replace(old, pip=tuple(pip_package(one.name, "4.0") if one.name == "package7" else one for one in old.pip))
    diff = list(difflib.ndiff(write_pylock(old).splitlines(), write_pylock(new).splitlines()))
    assert len([line for line in diff if line.startswith(("+ ", "- "))]) == 4


def test_conda_packages_are_refused_unless_only_the_pip_part_is_wanted():
    with pytest.raises(LockError, match="2 conda packages"):
        write_pylock(small_lock())
    assert "numpy" not in write_pylock(small_lock(), pip_part=True)


def test_a_file_that_is_nowhere_or_has_no_hash_is_refused():
    lost = pip_package(wheels=(PipFile(filename="flask-3.0.0-py3-none-any.whl"),))
    with pytest.raises(LockError) as error:
        write_pylock(small_lock(conda=(), pip=(lost,)))
    assert [one.message for one in error.value.problems] == [
        "flask 3.0.0 has a file without URL and path",
        "flask 3.0.0 has a file without hash",
    ]


def test_credentials_never_reach_the_file():
    secret = "https://user:secret@files.example/flask-3.0.0-py3-none-any.whl"
    lock = small_lock(
        conda=(),
        pip=(pip_package(wheels=(wheel(url=secret),), index="https://user:secret@index.example/simple"),),
        index_url="https://user:secret@index.example/simple",
        extra_index_urls=("https://user:secret@index.example/simple",),
    )
    assert "secret" not in write_pylock(lock)


FOREIGN = f"""\
lock-version = "1.0"
created-by = "another"
requires-python = ">=3.11.4"
environments = ["sys_platform == 'linux'", "sys_platform == 'win32'"]

[[packages]]
name = "numpy"
version = "1.26.4"
marker = "'science' in dependency_groups or sys_platform != 'win32'"
wheels = [
    {{url = "https://files.example/numpy-1.26.4-{WHEEL_TAGS["linux-64"]}.whl", upload-time = 2026-01-02T03:04:05.120Z, size = 5, hashes = {{sha256 = "{"a" * 64}"}}}},
]
"""


def test_a_file_of_another_tool_is_for_the_platforms_that_its_markers_and_wheels_allow():
    lock = read_pylock(FOREIGN, "pylock.toml")
    assert lock.platforms == ("linux-64", "win-64")
    assert lock.python.version == "3.11"
    assert lock.created_by == "another"
    assert lock.pip[0].wheels[0].upload_time == "2026-01-02T03:04:05.12Z"
    assert read_pylock(write_pylock(lock), "pylock.toml") == lock


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"1.0"', '"2.0"', r"p\.toml: lock-version: '2\.0' is not a version"),
        ('"numpy"', '"num py"', r"packages\[0\]\.name: 'num py' is not the name"),
        ('"numpy"', '"scipy"', r"packages\[0\]\.wheels\[0\]: Name in 'numpy-"),
        ("size = 5", "size = -5", r"packages\[0\]\.wheels\[0\]\.size: is a number, not a whole number from 0 up"),
        ('url = "https://files', 'url = "nowhere', r"packages\[0\]\.wheels\[0\]\.url: 'nowhere"),
        ("aaaa", "aaa", r"packages\[0\]\.wheels\[0\]\.hashes\.sha256: 'a+' is not a digest of 64"),
        ("[[packages]]", "[packages]", r"p\.toml: packages: is a mapping, not a list of mappings"),
        ("created-by", "created by", r"p\.toml:2: is not TOML"),
        ("sys_platform == 'linux'", "linux", r"environments"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(old, new, message):
    assert old in FOREIGN
    with pytest.raises(LockError, match=message):
        read_pylock(FOREIGN.replace(old, new, 1), "p.toml")

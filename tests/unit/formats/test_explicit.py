import random

import pytest
from hypothesis import HealthCheck, given, settings

from envbuild.core.errors import LockError
from envbuild.formats.explicit import read_explicit, write_explicit
from tests.unit.formats.locks import CHANNEL, conda_package, digest, locks, small_lock


def test_packages_come_after_what_they_depend_on():
    packages = [
        conda_package("app", depends=("numpy >=1", "python")),
        conda_package("numpy", depends=("python >=3.11,<3.12.0a0",)),
        conda_package("python", "3.11.9", depends=("zlib", "pip")),
        conda_package("pip", depends=("python",)),
        conda_package("zlib"),
    ]
    random.Random(1).shuffle(packages)
    text = write_explicit(small_lock(conda=tuple(packages)), "linux-64")
    lines = text.splitlines()
    assert lines[:2] == ["# platform: linux-64", "@EXPLICIT"]
    assert [line.split("/")[-1].split("-")[0] for line in lines[2:]] == ["pip", "zlib", "python", "numpy", "app"]


def test_the_digest_is_md5_or_sha256():
    (package,) = packages = (conda_package(),)
    lock = small_lock(conda=packages)
    assert write_explicit(lock, "linux-64").splitlines()[-1] == f"{package.url}#{package.md5}"
    assert (
        write_explicit(lock, "linux-64", digest="sha256").splitlines()[-1] == f"{package.url}#sha256:{package.sha256}"
    )


def test_a_missing_digest_is_refused_unless_known_ones_are_enough():
    lock = small_lock(conda=(conda_package(md5="", sha256=""),))
    with pytest.raises(LockError, match=r"numpy 1\.26\.4 \(linux-64\) has no md5"):
        write_explicit(lock, "linux-64")
    assert write_explicit(lock, "linux-64", digest="known").endswith("h1_0.conda\n")


def test_another_platform_is_refused():
    with pytest.raises(LockError, match="the lock is for linux-64, not for win-64"):
        write_explicit(small_lock(), "win-64")


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(lock=locks())
def test_what_is_written_reads_back(lock):
    for platform in lock.platforms:
        text = write_explicit(lock, platform, digest="known")
        read = read_explicit(text, "list.txt")
        assert write_explicit(
            read_explicit(write_explicit(read, platform, digest="known"), ""), platform, digest="known"
        )
        assert read_explicit(write_explicit(read, platform, digest="known"), "") == read
        wanted = {(one.name, one.version, one.build) for one in lock.conda if one.platform == platform}
        assert {(one.name, one.version, one.build) for one in read.conda} == wanted


def test_conda_locks_pip_comments_are_read():
    text = f"""\
# platform: linux-64
@EXPLICIT
{CHANNEL}/linux-64/python-3.11.9-h1_0_cpython.conda#{digest("p", "md5")}
# pip flask @ https://files.example/flask-3.0.0-py3-none-any.whl#sha256={digest("f")}
"""
    lock = read_explicit(text, "conda-linux-64.lock")
    assert lock.python.version == "3.11.9"
    assert [(one.name, one.version, one.archive.sha256) for one in lock.pip] == [("flask", "3.0.0", digest("f"))]


def test_the_platform_follows_from_the_urls():
    text = f"@EXPLICIT\n{CHANNEL}/osx-arm64/zlib-1.3-h1_0.conda\n{CHANNEL}/noarch/tzdata-2026a-h1_0.conda\n"
    assert read_explicit(text, "list.txt").platforms == ("osx-arm64",)
    with pytest.raises(LockError, match="names no platform"):
        read_explicit(f"@EXPLICIT\n{CHANNEL}/noarch/tzdata-2026a-h1_0.conda\n", "list.txt")


@pytest.mark.parametrize(
    "line",
    ["zlib", "https://conda.example/x.zip", f"{CHANNEL}/linux-64/zlib-1-0.conda#12", f"{CHANNEL}/linux-64/zlib.conda"],
)
def test_a_line_that_is_no_package_is_named(line):
    with pytest.raises(LockError, match=r"list\.txt:3: "):
        read_explicit(f"# platform: linux-64\n@EXPLICIT\n{line}\n", "list.txt")


def test_credentials_are_dropped():
    text = f"# platform: linux-64\n@EXPLICIT\nhttps://user:secret@conda.example/t/secret/c/linux-64/a-1-0.conda#{'0' * 32}\n"
    assert read_explicit(text, "x").conda[0].url == "https://conda.example/c/linux-64/a-1-0.conda"

"""pip and uv take what we write: from an index on loopback, and not when a byte differs."""

import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import uv
from packaging.version import Version

from envbuild import programs
from envbuild.core.lock import LockedPython, PipFile, PipPackage
from envbuild.core.platforms import this_platform
from envbuild.formats.pylock import write_pylock
from envbuild.formats.requirements import write_requirements
from tests.unit.formats.locks import small_lock


def locked(index, *, sha256=""):
    child = index.add("child", "1.0")
    parent = index.add("parent", "2.0", requires=["child"])
    packages = [
        PipPackage(
            name=one.name,
            version=one.version,
            index=index.url,
            dependencies=("child",) if one is parent else (),
            wheels=(
                PipFile(
                    filename=one.file_name,
                    url=index.file_url(one),
                    size=len(one.content),
                    hashes=(("sha256", sha256 or one.sha256),),
                ),
            ),
        )
        for one in (child, parent)
    ]
    return small_lock(
        conda=(),
        channels=(),
        pip=tuple(packages),
        platforms=(this_platform().subdir,),
        python=LockedPython(version=f"{sys.version_info[0]}.{sys.version_info[1]}", provider="base"),
        index_url=index.url,
    )


def uv_sync(tmp_path: Path, file: Path, *options):
    target = tmp_path / "site"
    argv = [
        uv.find_uv_bin(),
        "pip",
        "sync",
        "--no-python-downloads",
        "--python",
        sys.executable,
        "--target",
        str(target),
    ]
    return programs.run([*argv, *options, str(file)], check=False, timeout=60)


def pip_install(tmp_path: Path, file: Path, *options):
    if file.suffix == ".toml" and Version(version("pip")) < Version("26.1"):
        pytest.skip("this pip is older than pylock.toml")
    argv = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--target", str(tmp_path / "site")]
    return programs.run([*argv, "--no-index", *options, "-r", str(file)], check=False, timeout=60)


def installed(tmp_path: Path):
    return sorted(path.name for path in (tmp_path / "site").glob("*.dist-info"))


BOTH = ["child-1.0.dist-info", "parent-2.0.dist-info"]


@pytest.mark.parametrize("install", [uv_sync, pip_install])
def test_an_installer_takes_the_pylock(install, index, tmp_path):
    file = tmp_path / "pylock.toml"
    file.write_text(write_pylock(locked(index)))
    result = install(tmp_path, file)
    assert result.code == 0, result.stderr
    assert installed(tmp_path) == BOTH


@pytest.mark.parametrize("install", [uv_sync, pip_install])
def test_an_installer_refuses_other_bytes_than_the_pylocks(install, index, tmp_path):
    file = tmp_path / "pylock.toml"
    file.write_text(write_pylock(locked(index, sha256="0" * 64)))
    assert install(tmp_path, file).code != 0
    assert installed(tmp_path) == []


@pytest.mark.parametrize("urls", [True, False])
@pytest.mark.parametrize("install", [uv_sync, pip_install])
def test_an_installer_takes_the_hashed_requirements(install, urls, index, tmp_path):
    lock = locked(index)
    file = tmp_path / "requirements.txt"
    file.write_text(write_requirements(lock, lock.platforms[0], urls=urls))
    options = ["--require-hashes"]
    if install is pip_install and not urls:
        options += ["--find-links", f"{index.url}/child/", "--find-links", f"{index.url}/parent/"]
    result = install(tmp_path, file, *options)
    assert result.code == 0, result.stderr
    assert installed(tmp_path) == BOTH


def test_an_installer_takes_the_universal_requirements(index, tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text(write_requirements(locked(index)))
    result = uv_sync(tmp_path, file, "--require-hashes")
    assert result.code == 0, result.stderr
    assert installed(tmp_path) == BOTH

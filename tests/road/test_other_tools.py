"""Other tools install from our locks, from the file alone."""

import sys

import pytest
import uv

from envbuild import api, programs

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
# the release in the name tells which Python the base has; nobody listens on port 9
BASES = {"3.10": "ubuntu:22.04", "3.12": "ubuntu:24.04", "3.11": "debian:12", "3.13": "debian:13"}


@pytest.fixture
def locked(tmp_path, index):
    index.add("alpha", "1.0", requires=["beta>=1"], files={"alpha.py": "import beta\nVERSION = beta.VERSION\n"})
    index.add("beta", "1.5", files={"beta.py": "VERSION = '1.5'\n"})
    path = tmp_path / "pyproject.toml"
    path.write_text(
        f'[tool.envbuild]\nbase = "127.0.0.1:9/library/{BASES[VERSION]}"\nallow-distribution = ["debian"]\n'
        f'python = "{VERSION}"\npip = ["alpha"]\nindex-url = "{index.url}"\n'
    )
    return api.lock(path)


@pytest.fixture
def environment(tmp_path):
    folder = tmp_path / "environment"
    programs.run([uv.find_uv_bin(), "venv", "--quiet", "--no-config", "--python", sys.executable, str(folder)])
    return folder / "bin/python"


def version_in(environment):
    return programs.run([str(environment), "-c", "import alpha; print(alpha.VERSION)"]).stdout.strip()


def test_uv_installs_from_the_lock(locked, environment):
    programs.run([uv.find_uv_bin(), "pip", "sync", "--no-config", "--python", str(environment), str(locked.path)])
    assert version_in(environment) == "1.5"


def test_pip_installs_from_the_lock(locked, environment):
    pip = [sys.executable, "-m", "pip", "--python", str(environment), "install", "--quiet"]
    done = programs.run([*pip, "-r", str(locked.path)], check=False)
    if "invalid requirement" in done.stderr.lower():
        pytest.skip("this pip is older than pylock.toml (26.1)")
    assert done.code == 0, done.stderr
    assert version_in(environment) == "1.5"


def test_both_refuse_a_lock_whose_hash_is_not_the_files(locked, environment):
    digest = next(iter(locked.lock.pip)).wheels[0].sha256
    locked.path.write_text(locked.path.read_text().replace(digest, "0" * 64))
    done = programs.run(
        [uv.find_uv_bin(), "pip", "sync", "--no-config", "--python", str(environment), str(locked.path)], check=False
    )
    assert done.code != 0
    assert "hash" in done.stderr.lower()


def test_the_libraries_own_model_accepts_the_lock(locked):
    from packaging.pylock import Pylock

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    Pylock.from_dict(tomllib.loads(locked.path.read_text())).validate()

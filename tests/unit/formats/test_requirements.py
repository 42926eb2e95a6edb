import pytest

from envbuild.core.errors import LockError
from envbuild.core.lock import Vcs
from envbuild.formats.requirements import write_requirements
from tests.unit.formats.locks import INDEX, WHEEL_TAGS, digest, pip_package, small_lock, wheel

NUMPY = pip_package("numpy", "1.26.4", wheels=tuple(wheel("numpy", "1.26.4", tag) for tag in WHEEL_TAGS.values()))
GIT = pip_package(wheels=(), vcs=Vcs(type="git", url="https://git.example/a/b", commit=digest("x", "sha1")))


def test_one_platform_has_the_hash_of_its_one_file():
    text = write_requirements(small_lock(pip=(NUMPY,)), "linux-64")
    name = f"numpy-1.26.4-{WHEEL_TAGS['linux-64']}.whl"
    assert text == f"--index-url {INDEX}\nnumpy==1.26.4 \\\n    --hash=sha256:{digest(name)}\n"


def test_all_platforms_have_all_hashes_and_markers():
    package = pip_package(marker="python_version < '3.13'", platforms=("linux-64",))
    text = write_requirements(small_lock(pip=(NUMPY, package), platforms=tuple(WHEEL_TAGS)))
    assert text.count("--hash") == 5
    place = "sys_platform == 'linux' and platform_machine == 'x86_64'"
    assert f"flask==3.0.0 ; (python_version < '3.13') and ({place}) \\\n" in text


def test_urls_need_no_index():
    text = write_requirements(small_lock(), "linux-64", urls=True)
    file = "flask-3.0.0-py3-none-any.whl"
    assert text == f"flask @ https://files.example/{file} \\\n    --hash=sha256:{digest(file)}\n"


def test_a_private_wheel_is_named_by_its_path():
    package = pip_package(wheels=(wheel(url="", path="wheels/flask-3.0.0-py3-none-any.whl"),))
    assert "\n./wheels/flask-3.0.0-py3-none-any.whl \\\n    --hash=" in write_requirements(
        small_lock(pip=(package,)), "linux-64"
    )


def test_version_control_cannot_be_hashed():
    with pytest.raises(LockError, match=r"flask 3\.0\.0 comes from version control"):
        write_requirements(small_lock(pip=(GIT,)), "linux-64")
    assert f"flask @ git+https://git.example/a/b@{digest('x', 'sha1')}\n" in write_requirements(
        small_lock(pip=(GIT,)), "linux-64", hashes=False
    )


def test_urls_are_those_of_one_platform():
    with pytest.raises(LockError, match="name the platform"):
        write_requirements(small_lock(), urls=True)

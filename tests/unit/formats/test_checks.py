"""What a hostile lock could carry on into shells, folders and requirement files is refused where it enters."""

import json

import pytest

from envbuild.core.errors import LockError
from envbuild.formats.conda_lock import read_conda_lock, write_conda_lock
from envbuild.formats.detect import read_lock
from envbuild.formats.pylock import read_pylock, write_pylock
from tests.unit.formats import samples
from tests.unit.formats.locks import conda_package, digest, pip_package, small_lock, wheel

WHEEL = "https://files.example/flask-3.0.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"url: {WHEEL}", "url: https://files.example/..%2F..%2F"),
        ("linux-64/numpy-1.26.4-h1_0.conda\n", "linux-64/..\n"),
        ("- name: numpy", "- name: 'numpy; reboot'"),
        ("version: 1.26.4", "version: '1 && reboot'"),
        ("platform: linux-64", "platform: ../x"),
        (f"url: {WHEEL}", "url: 'file:x --index-url=y'"),
        (f"url: {WHEEL}", "url: git+https://git.example/a@--upload-pack=x"),
        (f"url: {WHEEL}", "url: 'https://files.example/a b.whl'"),
    ],
)
def test_a_conda_lock_cannot_carry_it(old, new):
    text = write_conda_lock(small_lock())
    assert old in text
    with pytest.raises(LockError):
        read_conda_lock(text.replace(old, new), "f")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f'url = "{WHEEL}"', f'url = "{WHEEL}", name = "../flask-3.0.0-py3-none-any.whl"'),
        (f'url = "{WHEEL}"', 'path = "a --hash=sha256:0/flask-3.0.0-py3-none-any.whl"'),
        ('index-url = "https://index.example/simple"', 'extra-index-urls = ["https://a --trusted-host b"]'),
        ('name = "flask"', 'name = "flask --pre"'),
        ("sha256 = ", "sha-256 = "),
    ],
)
def test_a_pylock_cannot_carry_it(old, new):
    text = write_pylock(small_lock(conda=()))
    assert old in text
    with pytest.raises(LockError):
        read_pylock(text.replace(old, new), "f")


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (samples.MAMBA, '"flask-3.0.0-py3-none-any.whl": {', '"../flask.whl": {'),
        (samples.MAMBA, '"zlib-1.3-h1_2.conda": {', '"../../zlib.conda": {'),
        (samples.UV, "?rev=v1#", "?rev=v1&subdirectory=a%20--b#"),
        (samples.UV, f'hash = "sha256:{digest("f")}"', 'hash = "sha256:12"'),
        (samples.POETRY, 'file = "flask-3.0.0.tar.gz"', 'file = "a/flask-3.0.0.tar.gz"'),
        (samples.POETRY, f'resolved_reference = "{digest("x", "sha1")}"', 'resolved_reference = "--x"'),
        (samples.PIPFILE, '"==3.0.0"', '"==3.0.0 --pre"'),
        (samples.PIPFILE, f"sha256:{digest('f')}", "sha256:12 --pre"),
        (samples.PIXI_6, "./local", "'./local --pre'"),
        (samples.PIXI_6, "subdirectory=py", "subdirectory=py%20--x"),
    ],
)
def test_a_lock_of_another_tool_cannot_carry_it(text, old, new):
    assert old in text
    with pytest.raises(LockError):
        read_lock(text.replace(old, new), "f")


def test_facts_beside_a_package_are_checked_like_its_entry():
    text = write_conda_lock(small_lock(conda=(conda_package(size=7),), pip=(pip_package(wheels=(wheel(size=8),)),)))
    for name, facts in (("conda", {"subdir": "../x"}), ("pip", {"name": "../x.whl"}), ("pip", {"marker": "nonsense"})):
        old = next(line for line in text.splitlines() if line.startswith(f"    {name}/"))
        broken = text.replace(old, f"{old.partition(': ')[0]}: '{json.dumps(facts)}'")
        with pytest.raises(LockError):
            read_conda_lock(broken, "f")

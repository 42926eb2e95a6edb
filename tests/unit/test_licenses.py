"""Licences are read from what lies here, and nothing is asked of anybody."""

from __future__ import annotations

import zipfile
from dataclasses import replace

import pytest

from envbuild.core.lock import PipFile, PipPackage
from envbuild.files import cache_root, sha256_of
from envbuild.formats.wheel_metadata import license_in
from envbuild.licenses import known_licenses, wheel_license
from envbuild.net.integrity import Integrity
from tests.support.wheel import make_wheel

HEAD = "Metadata-Version: 2.4\nName: a\nVersion: 1\n"


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (f"{HEAD}License-Expression: MIT OR Apache-2.0\nLicense: else\n", "MIT OR Apache-2.0"),
        (f"{HEAD}License: BSD\nClassifier: License :: OSI Approved :: MIT License\n", "BSD"),
        (f"{HEAD}License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n", "MIT License"),
        (f"{HEAD}License: {'all of its text ' * 20}\nClassifier: License :: Public Domain\n", "Public Domain"),
        (f"{HEAD}License: Copyright\n        by me\n", ""),
        (f"{HEAD}Classifier: License :: OSI Approved\n", ""),
        (f"{HEAD}\nLicense: in the description\n", ""),
        ("", ""),
    ],
)
def test_the_licence_of_a_wheel_is_what_its_metadata_says(metadata, said):
    assert license_in(metadata) == said


def licensed(path, text):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("alpha-1.0.dist-info/METADATA", f"{HEAD}License-Expression: {text}\n")
    return path


def package(wheel, **file):
    found = PipFile(filename=wheel.name, hashes=(("sha256", sha256_of(wheel)),), **file)
    return PipPackage(name="alpha", version="1.0", wheels=(found,))


def test_a_wheel_beside_the_lock_tells_its_licence(tmp_path):
    path = licensed(tmp_path / "alpha-1.0-py3-none-any.whl", "MIT")
    assert known_licenses([package(path, path=path.name)], tmp_path) == {("alpha", "1.0"): "MIT"}


def test_a_wheel_in_the_cache_tells_its_licence(tmp_path, monkeypatch):
    monkeypatch.setenv("ENVBUILD_CACHE_DIR", str(tmp_path / "cache"))
    path = licensed(tmp_path / "alpha-1.0-py3-none-any.whl", "MIT")
    one = package(path, url="https://index.example/alpha-1.0-py3-none-any.whl")
    assert known_licenses([one], tmp_path) == {}
    kept = cache_root() / "downloads" / Integrity(sha256=one.wheels[0].sha256).key
    kept.parent.mkdir(parents=True)
    kept.write_bytes(path.read_bytes())
    assert known_licenses([one], tmp_path) == {("alpha", "1.0"): "MIT"}
    other = replace(one, wheels=(replace(one.wheels[0], hashes=(("sha256", "0" * 64),)),))
    assert known_licenses([other], tmp_path) == {}


def test_an_installation_tells_its_licence(tmp_path, monkeypatch):
    monkeypatch.setenv("ENVBUILD_CACHE_DIR", str(tmp_path / "cache"))
    info = cache_root() / "prefixes/x/lib/python3.11/site-packages/alpha-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"{HEAD}License-Expression: MIT\n")
    path = licensed(tmp_path / "alpha-1.0-py3-none-any.whl", "other")
    one = package(path, url="https://index.example/alpha-1.0-py3-none-any.whl")
    assert known_licenses([one], tmp_path) == {("alpha", "1.0"): "MIT"}


@pytest.mark.parametrize("content", [b"", b"no archive", make_wheel("alpha", "1.0")])
def test_what_says_nothing_has_no_licence(tmp_path, content):
    path = tmp_path / "alpha-1.0-py3-none-any.whl"
    path.write_bytes(content)
    assert not wheel_license(path)
    assert not wheel_license(tmp_path / "absent.whl")


def test_a_wheel_whose_metadata_is_damaged_says_nothing(tmp_path):
    wheel = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a-1.dist-info/METADATA", "License: MIT\n" * 40)
    data = bytearray(wheel.read_bytes())
    start = data.index(b"METADATA") + len("METADATA")
    data[start : start + 4] = b"\xff" * 4
    wheel.write_bytes(data)
    assert wheel_license(wheel) == ""

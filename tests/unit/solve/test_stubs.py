"""Stub wheels: what a pip resolver is told that is already there."""

import io
import zipfile

import pytest
from packaging.metadata import Metadata
from packaging.utils import parse_wheel_filename

from envbuild.solve.stubs import make_stub, stub_folder, stub_version


@pytest.mark.parametrize(
    ("version", "label"),
    [
        ("2.3.5", "2.3.5+conda"),
        ("2.1.0+cpu", "2.1.0+cpu.conda"),
        ("1.0RC1", "1.0rc1+conda"),
        ("9e", ""),
        ("1.1.1w", ""),
    ],
)
def test_a_stub_has_its_version_with_a_label_and_none_where_it_is_no_python_version(version, label):
    assert stub_version(version) == label


def test_a_stub_is_a_valid_wheel_that_requires_nothing():
    name, content = make_stub("scikit-learn", "1.5.0")
    parsed = parse_wheel_filename(name)
    assert (parsed[0], str(parsed[1])) == ("scikit-learn", "1.5.0+conda")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        metadata = Metadata.from_email(archive.read("scikit_learn-1.5.0+conda.dist-info/METADATA"))
    assert (metadata.name, str(metadata.version), metadata.requires_dist) == ("scikit-learn", "1.5.0+conda", None)


def test_a_stub_can_name_what_its_extras_need():
    _, content = make_stub("dask", "2024.1.0", {"array": ['numpy>=1.21; extra == "array"']})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        metadata = Metadata.from_email(archive.read("dask-2024.1.0+conda.dist-info/METADATA"))
    assert metadata.provides_extra == ["array"]
    assert list(map(str, metadata.requires_dist)) == ['numpy>=1.21; extra == "array"']


def test_equal_arguments_give_equal_bytes():
    assert make_stub("numpy", "2.3.5") == make_stub("numpy", "2.3.5")


def test_the_folder_is_made_once_and_found_again():
    first = stub_folder({"numpy": "2.3.5", "six": "1.16"})
    made = first.stat().st_mtime_ns
    assert sorted(path.name for path in first.iterdir()) == [
        "numpy-2.3.5+conda-py3-none-any.whl",
        "six-1.16+conda-py3-none-any.whl",
    ]
    assert stub_folder({"six": "1.16", "numpy": "2.3.5"}) == first
    assert first.stat().st_mtime_ns == made
    assert stub_folder({"numpy": "2.3.4", "six": "1.16"}) != first

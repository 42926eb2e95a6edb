"""What fuzzing found, kept: each input once crashed a parser or took it seconds."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import run


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_wheel_that_is_compressed_as_none_is_refused(method: int) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression=method) as archive:
        archive.writestr("pkg.py", "x = 1\n" * 100)
    assert not run("wheel", written.getvalue())


def test_a_member_that_says_it_is_larger_than_its_wheel_takes_no_memory() -> None:
    data = bytearray(seeds("wheel")[0])
    at = data.rindex(b"PK\x01\x02")
    data[at + 20 : at + 24] = (0xFFFFFFF0).to_bytes(4, "little")
    assert not run("wheel", bytes(data))


def test_a_layer_that_ends_inside_a_file_is_refused() -> None:
    layer = seeds("tar layer")[0]
    assert not run("tar layer", layer[:515])
    assert not run("tar layer", layer[:512] + b"ID=deb")


@pytest.mark.parametrize("name", ["azureml: conda dependencies", "azureml: inference configuration"])
def test_a_file_of_azures_that_is_nested_without_end_is_refused(name: str) -> None:
    assert not run(name, b"{" * 5000 + b"a")


def test_a_wheel_whose_deflated_bytes_are_damaged_is_refused_whoever_inflates_them() -> None:
    data = seeds("wheel")[0]
    start = data.index(b"pkg.py") + len(b"pkg.py")
    for at in range(start, start + 12):
        for other in (0x00, 0x55, 0xAA, 0xFF):
            run("wheel", data[:at] + bytes([other]) + data[at + 1 :])
    assert not run("wheel", data[:start] + b"\xff" * 12 + data[start + 12 :])


@pytest.mark.parametrize(
    "page", [b"<![DOCTYPE html>[[<base --->", b'<a href="http://[">x</a>', b'{"files": ' + b"[" * 100_000]
)
def test_a_page_that_no_reader_takes_is_refused(page: bytes) -> None:
    assert not run("index page", page)


def test_a_json_form_that_is_none_is_the_shell_form() -> None:
    assert run("own Dockerfile", b'FROM ubuntu\nCOPY ["\'"b"] /x\n')


_IMAGE = json.loads(seeds("image documents")[2])


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("odd", [1.5, "x", [1], {"x": 1}, None, True])
def test_a_registrys_document_whose_values_are_of_other_kinds_is_refused_or_read(number: int, odd: object) -> None:
    for key in _IMAGE[number]:
        changed = [{**one, key: odd} if at == number else one for at, one in enumerate(_IMAGE)]
        assert run("image documents", json.dumps(changed).encode()) in (True, False)


@pytest.mark.parametrize("part", ["rootfs", "config", "history"])
def test_a_configuration_that_is_none_is_refused_by_name(part: str) -> None:
    from envbuild.core.errors import IntegrityError
    from envbuild.net.images import parse_config

    with pytest.raises(IntegrityError, match=f"place: {part} is not"):
        parse_config(json.dumps({part: 5}).encode(), "place")


def test_a_registrys_challenge_costs_no_more_than_its_length() -> None:
    assert run("registry challenge", b"Bearer " + b"a" * 60_000)


def test_a_file_of_nothing_but_mistakes_costs_no_more_than_its_lines() -> None:
    assert not run("definition: requirements", b"<<EOF\n" * 20_000)


def test_a_url_with_odd_brackets_is_none() -> None:
    assert not run("lock: Pipfile.lock", seeds("lock: Pipfile.lock")[0].replace(b"user:secret@index", b"[x"))


def test_an_advisory_whose_lists_are_none_says_nothing() -> None:
    entry = {
        "id": "X-1",
        "aliases": 1.5,
        "affected": [{"package": {"ecosystem": "PyPI", "name": "flask"}, "versions": 5}],
    }
    assert run("advisories", json.dumps(entry).encode())


def test_a_database_whose_member_says_that_it_is_larger_than_the_file_takes_no_memory() -> None:
    data = bytearray(next(one for one in seeds("advisories") if one.startswith(b"PK")))
    at = data.index(b"PK\x01\x02") + 20
    data[at : at + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    assert not run("advisories", bytes(data))


@pytest.mark.parametrize("method", [9, 97])
def test_a_database_that_is_compressed_as_none_is_refused(method: int) -> None:
    data = bytearray(next(one for one in seeds("advisories") if one.startswith(b"PK")))
    for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = data.index(mark) + at
        data[start : start + 2] = method.to_bytes(2, "little")
    assert not run("advisories", bytes(data))

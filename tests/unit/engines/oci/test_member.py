"""Members of wheels beside what `zipfile` reads of them."""

import io
import os
import zipfile
import zlib

import pytest

from envbuild.engines.oci import compression
from envbuild.engines.oci.member import Member
from envbuild.engines.oci.wheels import _DAMAGES

CONTENT = {"small.py": b"x = 1\n", "empty": b"", "large.so": b"\x7fELF" + os.urandom(1 << 20) + bytes(3 << 20)}


@pytest.fixture(params=["isal", "zlib"], autouse=True)
def library(request, monkeypatch):
    if request.param == "zlib":
        monkeypatch.setattr(compression, "_isal_identity", lambda: "")


def archive(kind=zipfile.ZIP_DEFLATED, content=CONTENT):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", kind) as new:
        for name, data in content.items():
            new.writestr(name, data)
    return target


def member(file, name):
    with zipfile.ZipFile(file) as opened:
        return Member(file, opened.getinfo(name))


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("size", [-1, 1 << 10, 5 << 20])
@pytest.mark.parametrize("name", CONTENT)
def test_the_content_is_what_zipfile_reads(kind, size, name):
    one = member(archive(kind), name)
    pieces = []
    while piece := one.read(size):
        pieces.append(piece)
    assert b"".join(pieces) == CONTENT[name]
    assert one.is_deflated == (kind == zipfile.ZIP_DEFLATED)
    assert (one.size, one.crc) == (len(CONTENT[name]), zlib.crc32(CONTENT[name]))


@pytest.mark.parametrize("name", CONTENT)
def test_what_was_taken_is_the_whole_deflate_stream(name):
    one = member(archive(), name)
    packed = b""
    while one.read(1 << 16):
        packed += one.taken()
    packed += one.taken()
    stream = zlib.decompressobj(-15)
    assert stream.decompress(packed) == CONTENT[name]
    assert stream.eof
    assert stream.unused_data == b""


def patched(offset, value, *, central=False):
    """Return an archive with `value` at `offset` in the first header of its kind."""
    data = bytearray(archive(content={"a.py": b"y" * 9000, "b.py": b"z" * 9000}).getvalue())
    start = data.index(b"PK\1\2" if central else b"PK\3\4") + offset
    data[start : start + len(value)] = value
    return io.BytesIO(bytes(data))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (patched(16, b"\0\0\0\0", central=True), "promises"),  # CRC-32
        (patched(24, (9001).to_bytes(4, "little"), central=True), "promises"),  # size
        (patched(24, (8999).to_bytes(4, "little"), central=True), "longer"),
        (patched(20, (3).to_bytes(4, "little"), central=True), "early"),  # compressed size
        (patched(8, (1).to_bytes(2, "little"), central=True), "encrypted"),
        (patched(30, b"c"), "another name"),
        (patched(0, b"XX"), "not where"),
    ],
)
def test_what_is_damaged_is_refused(file, said):
    with zipfile.ZipFile(file) as opened, pytest.raises(_DAMAGES, match=said):
        Member(file, opened.infolist()[0]).read()


def test_something_behind_the_deflate_stream_is_damage():
    file = archive(content={"a.py": b"y" * 9000})
    data = file.getvalue()
    end = data.index(b"PK\1\2")
    with zipfile.ZipFile(file) as opened:
        item = opened.getinfo("a.py")
    longer = io.BytesIO(data[:end] + b"junk" + data[end:])
    item.compress_size += 4
    with pytest.raises(zipfile.BadZipFile, match="promises"):
        Member(longer, item).read()

import io
import random
import struct
import sys
from pathlib import Path

import pytest

from envbuild.engines.elf import HINTS, ElfFile, missing_libraries, read_elf


def elf_file(*, needed=(), soname="", wide=True, order="<"):
    """Return the smallest ELF file that says so."""
    strings = b"\0"
    places = []
    for text in (*needed, soname):
        places.append(len(strings))
        strings += text.encode() + b"\0"
    word = "Q" if wide else "I"
    entries = [(1, place) for place in places[:-1]] + ([(14, places[-1])] if soname else [])
    header, size = (64, 56) if wide else (52, 32)
    at = header + 2 * size
    pairs = [*entries, (5, at + (len(entries) + 2) * (16 if wide else 8)), (0, 0)]
    dynamic = b"".join(struct.pack(f"{order}{word}{word}", *pair) for pair in pairs)
    total = at + len(dynamic) + len(strings)

    def segment(kind, offset, length):
        if wide:
            return struct.pack(f"{order}IIQQQQQQ", kind, 0, offset, offset, 0, length, length, 0)
        return struct.pack(f"{order}IIIIIIII", kind, offset, offset, 0, length, length, 0, 0)

    start = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    if wide:
        start += struct.pack(f"{order}HHIQQQIHHHHHH", 3, 62, 1, 0, header, 0, 0, header, size, 2, 0, 0, 0)
    else:
        start += struct.pack(f"{order}HHIIIIIHHHHHH", 3, 3, 1, 0, header, 0, 0, header, size, 2, 0, 0, 0)
    return start + segment(1, 0, total) + segment(2, at, len(dynamic)) + dynamic + strings


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_needs_and_name_are_read_of_any_class_and_byte_order(wide, order):
    data = elf_file(needed=("libc.so.6", "libgomp.so.1"), soname="libmine.so.3", wide=wide, order=order)
    assert read_elf(io.BytesIO(data)) == ElfFile(needed=("libc.so.6", "libgomp.so.1"), soname="libmine.so.3")


def test_a_real_program_names_its_loader():
    with Path(sys.executable).open("rb") as file:
        found = read_elf(file)
    assert found is not None
    assert "ld" in found.interpreter
    assert any(name.startswith("libc.") for name in found.needed)


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF" + bytes(60), b"\x7fELF\2\1" + b"\xff" * 200]
)
def test_what_is_no_elf_file_is_none_or_says_nothing(data):
    assert read_elf(io.BytesIO(data)) in (None, ElfFile())


def test_damaged_files_never_raise():
    whole = elf_file(needed=("libc.so.6",), soname="x")
    chance = random.Random(1)
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(3):
            data[chance.randrange(len(data))] = chance.randrange(256)
        read_elf(io.BytesIO(bytes(data[: chance.randrange(1, len(data))])))


def test_a_library_that_nobody_has_is_named_with_its_packages():
    files = [("lightgbm", "/opt/env/lib/lib_lightgbm.so", ElfFile(needed=("libgomp.so.1", "libc.so.6")))]
    [missing] = missing_libraries(files, {"libc.so.6"})
    assert (missing.soname, missing.needed_by) == ("libgomp.so.1", ("lightgbm",))
    assert missing.hint == "add the apt package libgomp1 or the conda package libgomp"


def test_a_library_of_another_package_or_of_the_base_is_provided():
    files = [
        ("a", "/opt/env/lib/a.so", ElfFile(needed=("libb.so.1", "libc.so.6", "libgomp-hash.so.1"))),
        ("b", "/opt/env/lib/libb-2.so", ElfFile(soname="libb.so.1")),
        ("a", "/opt/env/lib/a.libs/libgomp-hash.so.1", ElfFile()),
    ]
    assert missing_libraries(files, {"libc.so.6"}) == ()


def test_a_driver_comes_with_the_machine():
    assert missing_libraries([("torch", "/x.so", ElfFile(needed=("libcuda.so.1",)))]) == ()


def test_an_unknown_library_has_a_way_out_too():
    [missing] = missing_libraries([("a", "/x.so", ElfFile(needed=("libodd.so.9",)))])
    assert missing.hint == "choose a base that has it"


def test_each_hint_names_both_packages():
    assert all(apt and conda for apt, conda in HINTS.values())

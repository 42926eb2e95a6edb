import io
import json
import random
import shutil
import struct
import sys
from pathlib import Path

import pytest

from envbuild import programs
from envbuild.core.progress import Progress
from envbuild.engines import elf
from envbuild.engines.elf import ElfFile, read_elf, scan
from envbuild.engines.libraries import HINTS, missing_libraries
from envbuild.engines.library_check import check_image, missing_in_image, missing_in_prefix
from tests.oci.making import MERGED_USR, layout, plan


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


def environment(prefix):
    """Write a wheel's library with a RECORD, a conda package's with its record, and what is no library."""
    site = prefix / "lib/python3.11/site-packages"
    for path, data in {
        site / "lightgbm/lib_lightgbm.so": elf_file(needed=("libgomp.so.1", "libc.so.6")),
        site / "lightgbm-4.5.dist-info/RECORD": b"lightgbm/lib_lightgbm.so,,\nlightgbm-4.5.dist-info/RECORD,,\n",
        prefix / "lib/libtool.so.2": elf_file(needed=("libodd.so.9",), soname="libtool.so.2"),
        prefix / "conda-meta/tool-1.0-0.json": b'{"name": "tool", "files": ["lib/libtool.so.2"]}',
        prefix / "bin/run": elf_file(needed=("libtool.so.2",)),
        prefix / "lib/notes.so.txt": b"\x7fEL",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def test_an_environment_is_scanned_with_the_packages_that_its_records_name(tmp_path):
    environment(tmp_path)
    found = {(package, path.rpartition("/")[2]): said.needed for package, path, said in scan(str(tmp_path))}
    assert found == {
        ("lightgbm", "lib_lightgbm.so"): ("libgomp.so.1", "libc.so.6"),
        ("tool", "libtool.so.2"): ("libodd.so.9",),
        ("", "run"): ("libtool.so.2",),
    }


def test_the_source_is_a_program_for_old_interpreters(tmp_path):
    environment(tmp_path)
    source = Path(elf.__file__).read_text()
    for version in ("3.8", "3.10", "3.11", "3.13"):
        if shutil.which(f"python{version}") is None:
            continue
        said = programs.run([f"python{version}", "-I", "-S", "-c", source, str(tmp_path)], check=False)
        if said.code == 127:
            continue  # a shim of an interpreter that is not chosen here
        [line] = [one for one in said.stdout.splitlines() if one.startswith(elf.MARK)]
        told = json.loads(line.removeprefix(elf.MARK))
        assert any(name.startswith("libc.so") for name in told["provided"])
        assert sorted(package for package, *_ in told["files"]) == ["", "lightgbm", "tool"]


class Container:
    """An engine whose container prints what it was made with."""

    name = "docker"

    def __init__(self, printed):
        self.printed, self.stopped = printed, False

    def start(self, name, options):
        assert options.command[0] == "/opt/env/bin/python"
        return name

    def running(self, container):
        return False

    def logs(self, container):
        return self.printed

    def stop(self, container, *, patience):
        self.stopped = True


def test_what_is_missing_in_an_image_is_told_by_its_own_python():
    told = {"files": [["lightgbm", "/opt/env/x.so", ["libgomp.so.1", "libc.so.6"], ""]], "provided": ["libc.so.6"]}
    engine = Container(f"an entry point speaks\n{elf.MARK}{json.dumps(told)}\n")
    [missing] = missing_in_image(engine, "demo:1")
    assert (missing.soname, missing.needed_by, missing.apt) == ("libgomp.so.1", ("lightgbm",), "libgomp1")
    assert engine.stopped


def test_an_image_whose_python_says_nothing_is_no_failure_of_the_build(tmp_path):
    made = plan(tmp_path, base=layout(tmp_path / "base", MERGED_USR))
    said = []

    class Notes(Progress):
        def note(self, text):
            said.append(text)

    check_image(Container("exec format error"), "demo:1", made, Notes())
    assert said == [
        "whether libraries are missing is not known: the environment's Python did not answer: exec format error"
    ]


def test_what_is_missing_in_a_prefix_is_held_against_this_machine(tmp_path):
    environment(tmp_path)
    missing = {one.soname: one.needed_by for one in missing_in_prefix(tmp_path)}
    assert missing.pop("libodd.so.9") == ("tool",)
    assert set(missing) <= {"libgomp.so.1"}

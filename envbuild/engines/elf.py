"""What ELF files say of the shared libraries that they need (gABI, "Dynamic Section"): no more than that question needs.

Run as a program in an image (`python -c SOURCE PREFIX`) it tells of all files below PREFIX. So it needs Python 3.7 and
nothing but its standard library.
"""

from __future__ import annotations

import csv
import json
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

MAGIC = b"\x7fELF"
MARK = "envbuild-libraries "
"""What begins the line that a scan prints: a base's entry point may print others."""

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_SONAME = 1, 5, 14
_MOST_ENTRIES = 4096
_LIBRARY_FOLDERS = (
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/cuda/lib64",
)


class ElfFile(NamedTuple):
    """What one file says: the libraries it needs, the name that it provides, its loader; empty where it says none."""

    needed: tuple[str, ...] = ()
    soname: str = ""
    interpreter: str = ""


def read_elf(file: BinaryIO) -> ElfFile | None:
    """Return what the ELF file says, or None where it is none (or none that can be understood)."""
    try:
        return _read(file)
    except (struct.error, ValueError, OverflowError):
        return None


class _Segment(NamedTuple):
    kind: int
    offset: int
    address: int
    size: int


def _read(file: BinaryIO) -> ElfFile | None:
    file.seek(0)
    start = file.read(64)
    if start[:4] != MAGIC or len(start) < 52:
        return None
    wide, order = start[4] == 2, "<" if start[5] == 1 else ">"
    segments = _segments(file, start, order, wide=wide)
    interpreter = next((_text(_part(file, one)) for one in segments if one.kind == _PT_INTERP), "")
    dynamic = next((one for one in segments if one.kind == _PT_DYNAMIC), None)
    if dynamic is None:
        return ElfFile(interpreter=interpreter)
    pair = struct.Struct(f"{order}{'qQ' if wide else 'iI'}")
    data = _part(file, dynamic)
    entries = list(pair.iter_unpack(data[: len(data) // pair.size * pair.size]))[:_MOST_ENTRIES]
    strings = next((value for tag, value in entries if tag == _DT_STRTAB), None)
    if strings is None:
        return ElfFile(interpreter=interpreter)
    place = _file_offset(segments, strings)
    needed = tuple(_string(file, place + value) for tag, value in entries if tag == _DT_NEEDED)
    soname = next((_string(file, place + value) for tag, value in entries if tag == _DT_SONAME), "")
    return ElfFile(needed=needed, soname=soname, interpreter=interpreter)


def _segments(file: BinaryIO, start: bytes, order: str, *, wide: bool) -> list[_Segment]:
    offset, size, count = struct.unpack_from(f"{order}{'Q14xHH' if wide else 'I10xHH'}", start, 32 if wide else 28)
    file.seek(offset)
    table = file.read(min(size * count, 1 << 20))
    found = []
    for at in range(0, len(table) - size + 1, size):
        if wide:
            kind, _, place, address, _, length = struct.unpack_from(f"{order}IIQQQQ", table, at)
        else:
            kind, place, address, _, length = struct.unpack_from(f"{order}IIIII", table, at)
        found.append(_Segment(kind=kind, offset=place, address=address, size=length))
    return found


def _part(file: BinaryIO, segment: _Segment) -> bytes:
    file.seek(segment.offset)
    return file.read(min(segment.size, 1 << 20))


def _file_offset(segments: list[_Segment], address: int) -> int:
    for one in segments:
        if one.kind == _PT_LOAD and one.address <= address < one.address + one.size:
            return address - one.address + one.offset
    raise ValueError(address)


def _string(file: BinaryIO, offset: int) -> str:
    file.seek(offset)
    return _text(file.read(4096))


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("utf-8", "replace")


def scan(prefix: str) -> Iterator[tuple[str, str, ElfFile]]:
    """Yield package, path and what it says for each ELF file below `prefix`; the package is empty where no record names it."""
    owners = _owners(prefix)
    for path in _files(prefix):
        with Path(path).open("rb") as file:
            found = read_elf(file) if file.read(4) == MAGIC else None
        if found is not None:
            yield owners.get(os.path.realpath(path), ""), path, found


def provided() -> list[str]:
    """Return the file names of the libraries that this machine has in the usual places, and the loader's own."""
    names = {name for folder in _LIBRARY_FOLDERS for _, _, files in os.walk(folder) for name in files if ".so" in name}
    return sorted(names)


def _files(prefix: str) -> Iterator[str]:
    for folder, _, names in os.walk(prefix):
        for name in names:
            path = Path(folder, name)
            if (".so" in name or path.parent.name == "bin") and path.is_file() and not path.is_symlink():
                yield str(path)


def _owners(prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for record in Path(prefix).glob("conda-meta/*.json"):
        told = json.loads(record.read_text("utf-8"))
        found.update((os.path.realpath(f"{prefix}/{one}"), told["name"]) for one in told.get("files", ()))
    for record in Path(prefix).glob("lib/python*/site-packages/*.dist-info/RECORD"):
        site, package = record.parent.parent, record.parent.name.split("-")[0].lower().replace("_", "-")
        rows = [row[0] for row in csv.reader(record.read_text("utf-8").splitlines()) if row]
        found.update((os.path.realpath(f"{site}/{row}"), package) for row in rows)
    return found


def main(prefix: str) -> None:
    """Print one line of JSON: the ELF files below `prefix`, and the libraries that there are besides."""
    told: dict[str, Any] = {
        "files": [[package, path, list(elf.needed), elf.soname] for package, path, elf in scan(prefix)],
        "provided": provided(),
    }
    sys.stdout.write("\n" + MARK + json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])

"""Which shared libraries the programs and libraries of packages need, and which of them nobody provides. Pure.

A small reader of ELF files (gABI, "Dynamic Section"): no more than that question needs.
"""

from __future__ import annotations

import posixpath
import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

MAGIC = b"\x7fELF"
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_SONAME = 1, 5, 14
_MOST_ENTRIES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ElfFile:
    """What one file says: the libraries it needs, the name that it provides, its loader; empty where it says none."""

    needed: tuple[str, ...] = ()
    soname: str = ""
    interpreter: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingLibrary:
    """A library that nobody provides, the packages that need it, and the packages that would bring it."""

    soname: str
    needed_by: tuple[str, ...]
    apt: str = ""
    conda: str = ""

    @property
    def hint(self) -> str:
        """What to write into the definition."""
        ways = [f"apt package {self.apt}" if self.apt else "", f"conda package {self.conda}" if self.conda else ""]
        return "add the " + " or the ".join(way for way in ways if way) if any(ways) else "choose a base that has it"


HINTS: Mapping[str, tuple[str, str]] = {
    "libgomp.so.1": ("libgomp1", "libgomp"),
    "libstdc++.so.6": ("libstdc++6", "libstdcxx-ng"),
    "libgcc_s.so.1": ("libgcc-s1", "libgcc-ng"),
    "libgfortran.so.5": ("libgfortran5", "libgfortran5"),
    "libquadmath.so.0": ("libquadmath0", "libgfortran5"),
    "libGL.so.1": ("libgl1", "libgl"),
    "libEGL.so.1": ("libegl1", "libegl"),
    "libGLX.so.0": ("libglx0", "libglx"),
    "libglib-2.0.so.0": ("libglib2.0-0", "glib"),
    "libgthread-2.0.so.0": ("libglib2.0-0", "glib"),
    "libgobject-2.0.so.0": ("libglib2.0-0", "glib"),
    "libSM.so.6": ("libsm6", "xorg-libsm"),
    "libICE.so.6": ("libice6", "xorg-libice"),
    "libX11.so.6": ("libx11-6", "xorg-libx11"),
    "libXext.so.6": ("libxext6", "xorg-libxext"),
    "libXrender.so.1": ("libxrender1", "xorg-libxrender"),
    "libxcb.so.1": ("libxcb1", "libxcb"),
    "libffi.so.8": ("libffi8", "libffi"),
    "libffi.so.7": ("libffi7", "libffi"),
    "libssl.so.3": ("libssl3", "openssl"),
    "libcrypto.so.3": ("libssl3", "openssl"),
    "libssl.so.1.1": ("libssl1.1", "openssl 1.1"),
    "libcrypto.so.1.1": ("libssl1.1", "openssl 1.1"),
    "libsqlite3.so.0": ("libsqlite3-0", "sqlite"),
    "libexpat.so.1": ("libexpat1", "expat"),
    "libz.so.1": ("zlib1g", "zlib"),
    "libbz2.so.1.0": ("libbz2-1.0", "bzip2"),
    "liblzma.so.5": ("liblzma5", "xz"),
    "libzstd.so.1": ("libzstd1", "zstd"),
    "libpq.so.5": ("libpq5", "libpq"),
    "libodbc.so.2": ("unixodbc", "unixodbc"),
    "libxml2.so.2": ("libxml2", "libxml2"),
    "libxslt.so.1": ("libxslt1.1", "libxslt"),
    "libcurl.so.4": ("libcurl4", "libcurl"),
    "libsndfile.so.1": ("libsndfile1", "libsndfile"),
    "libportaudio.so.2": ("libportaudio2", "portaudio"),
    "libopenblas.so.0": ("libopenblas0", "libopenblas"),
    "libmpi.so.40": ("libopenmpi3", "openmpi"),
    "libtbb.so.12": ("libtbb12", "tbb"),
    "libnuma.so.1": ("libnuma1", "numactl"),
    "libmagic.so.1": ("libmagic1", "libmagic"),
    "libusb-1.0.so.0": ("libusb-1.0-0", "libusb"),
    "libcairo.so.2": ("libcairo2", "cairo"),
    "libpango-1.0.so.0": ("libpango-1.0-0", "pango"),
    "libfontconfig.so.1": ("libfontconfig1", "fontconfig"),
    "libfreetype.so.6": ("libfreetype6", "freetype"),
}
"""The apt and the conda package of libraries that wheels often leave to the system."""

_DRIVERS = ("libcuda.so", "libnvidia", "libnvcuvid", "libnvoptix", "libcudadebugger")
"""What the container runtime puts into the container, from the machine with the card."""


def missing_libraries(
    files: Iterable[tuple[str, str, ElfFile]], provided: Collection[str] = ()
) -> tuple[MissingLibrary, ...]:
    """Return the libraries that `files` need and neither they nor `provided` have, sorted by name.

    `files` are triples of package, path and what the file says; `provided` the file names of the base's libraries.
    Where a library lies is not looked at: a package finds its own by a run path.
    """
    known = set(provided)
    wanted: dict[str, set[str]] = {}
    for package, path, elf in files:
        known |= {posixpath.basename(path), elf.soname}
        for soname in elf.needed:
            wanted.setdefault(soname, set()).add(package)
    lacking = sorted(name for name in wanted if name not in known and not name.startswith(_DRIVERS))
    return tuple(_missing(name, wanted[name]) for name in lacking)


def _missing(soname: str, packages: set[str]) -> MissingLibrary:
    apt, conda = HINTS.get(soname, ("", ""))
    return MissingLibrary(soname=soname, needed_by=tuple(sorted(packages)), apt=apt, conda=conda)


def read_elf(file: BinaryIO) -> ElfFile | None:
    """Return what the ELF file says, or None where it is none (or none that can be understood)."""
    try:
        return _read(file)
    except (struct.error, ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
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

"""Which shared libraries programs and libraries need, and which of them nobody provides; with the packages that have them. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from envbuild.core.progress import Progress
from envbuild.engines.elf import ElfFile


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
    lacking = sorted(name for name in wanted if name not in known and not is_of_a_driver(name))
    return tuple(missing_library(name, wanted[name]) for name in lacking)


def is_of_a_driver(soname: str) -> bool:
    """Tell whether no image has the library, because it comes with the machine's graphics card."""
    return soname.startswith(_DRIVERS)


def note_missing(missing: Sequence[MissingLibrary], progress: Progress) -> None:
    """Tell a person of `missing`, with the package that has each."""
    for library in missing:
        progress.note(f"{', '.join(library.needed_by)} needs {library.soname}, which nothing has: {library.hint}")


def missing_library(soname: str, packages: Collection[str]) -> MissingLibrary:
    """Return the library `soname`, which `packages` need, with the packages that have it."""
    apt, conda = HINTS.get(soname, ("", ""))
    return MissingLibrary(soname=soname, needed_by=tuple(sorted(packages)), apt=apt, conda=conda)

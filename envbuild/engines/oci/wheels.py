"""Wheels as layers: installed as the standard says, by PyPA's `installer`, straight into a tar."""

from __future__ import annotations

import base64
import csv
import errno
import io
import json
import posixpath
import stat
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

from installer.destinations import WheelDestination
from installer.exceptions import InstallerError
from installer.records import Hash, RecordEntry
from installer.scripts import Script
from installer.sources import WheelContentElement, WheelFile
from installer.utils import Scheme, parse_wheel_filename

from envbuild.core.archives import ZIP_DAMAGES
from envbuild.core.errors import PlanError
from envbuild.core.selection import Chosen
from envbuild.engines.oci.bytecode import Bytecode, compile_modules
from envbuild.engines.oci.compression import inflating_errors
from envbuild.engines.oci.member import Member
from envbuild.engines.oci.tar import TarWriter
from envbuild.engines.oci.units import Recorder, Surroundings, Told, checked_path

FORMAT = 1
"""Part of every layer's key: to be raised when the bytes that are written change."""

_INSTALLER = b"envbuild\n"
_LARGEST_RATIO, _ALLOWANCE = 200, 256 << 20
_LARGEST_SCRIPT = 1 << 20
_DAMAGES: tuple[type[Exception], ...] = (*inflating_errors(), *ZIP_DAMAGES, KeyError, ValueError)
"""What reading a damaged or hostile archive raises."""
_WRONG: tuple[type[Exception], ...] = (InstallerError, *_DAMAGES)


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelUnit:
    """A distribution that is installed from the wheel `path`, a verified file; `early` will have its bytecode, if it was begun."""

    chosen: Chosen
    size: int
    surroundings: Surroundings
    path: Path | None = None
    early: Future[Bytecode] | None = None

    @property
    def name(self) -> str:
        """Its normalised name."""
        return self.chosen.package.name

    @property
    def version(self) -> str:
        """Its version."""
        return self.chosen.package.version

    @property
    def identity(self) -> list[object]:
        """What its bytes depend on."""
        file = self.chosen.file
        archive = self.chosen.package.archive
        assert file is not None  # noqa: S101 - the engine refuses what is no wheel
        return [
            "wheel",
            FORMAT,
            file.filename,
            file.sha256,
            archive.url if archive else "",
            *self.surroundings.identity,
        ]

    def write(self, tar: TarWriter) -> Told:
        """Install the wheel into `tar`.

        Raises:
            PlanError: it is no wheel that can be installed.
        """
        from installer import install

        assert self.path is not None  # noqa: S101 - fetched by the engine before it writes
        destination = _Destination(tar, self)
        try:
            with self.path.open("rb") as file, zipfile.ZipFile(file) as archive:
                self._check_size(archive)
                install(_SortedWheel(file, archive, self._filename), destination, dict(self._added()))
        except _WRONG as error:
            raise PlanError(f"{self._filename}: the wheel cannot be installed: {error}") from error
        except OSError as error:
            # what zipfile raises for an offset that lies before the file; a full disk is another matter
            if error.errno != errno.EINVAL:
                raise
            raise PlanError(f"{self._filename}: the wheel cannot be installed: it is damaged") from error
        return destination.recorder.told

    def source_size(self) -> int:
        """Return how many bytes of source there are to compile, as the archive says; 0 where it is none."""
        if self.path is None or self.surroundings.interpreter is None:
            return 0
        try:
            with zipfile.ZipFile(self.path) as archive:
                return sum(one.file_size for one in archive.infolist() if one.filename.endswith(".py"))
        except _DAMAGES:
            return 0

    def compiled(self) -> Bytecode:
        """Return the bytecode of its modules; it is remembered.

        Raises:
            PlanError: it is no wheel.
            EngineError: the interpreter failed.
        """
        if self.early is not None:
            return self.early.result()
        interpreter = self.surroundings.interpreter
        if interpreter is None or self.path is None:
            return Bytecode(paths={})
        try:
            with self.path.open("rb") as file, zipfile.ZipFile(file) as archive:
                modules = _modules(archive.namelist(), self.surroundings.site_packages)
                key = [str(part) for part in self.identity]
                if not modules:
                    return Bytecode(paths={})
                return compile_modules(
                    interpreter, key, modules, lambda name: Member(file, archive.getinfo(name)).read()
                )
        except _DAMAGES as error:
            raise PlanError(f"{self._filename}: the wheel cannot be installed: {error}") from error

    @property
    def _filename(self) -> str:
        return self.chosen.file.filename if self.chosen.file else self.name

    def _check_size(self, archive: zipfile.ZipFile) -> None:
        assert self.path is not None  # noqa: S101 - see write
        if any(one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for one in archive.infolist()):
            raise PlanError(f"{self._filename}: it is compressed as no wheel is, which may take any amount of memory")
        if any(one.compress_size > self.path.stat().st_size for one in archive.infolist()):
            raise PlanError(f"{self._filename}: it is damaged: a member is larger than the whole")
        total = sum(one.file_size for one in archive.infolist())
        if total > _LARGEST_RATIO * self.path.stat().st_size + _ALLOWANCE:
            raise PlanError(f"{self._filename}: it would unpack to {total >> 20} MiB, which no honest wheel does")

    def _added(self) -> Iterator[tuple[str, bytes]]:
        yield "INSTALLER", _INSTALLER
        archive = self.chosen.package.archive
        if archive is not None and archive.url:
            hashes = dict(archive.hashes)
            told = {"url": archive.url, "archive_info": {"hashes": hashes}}
            yield "direct_url.json", json.dumps(told, sort_keys=True).encode()


def _modules(names: Iterable[str], site_packages: str) -> dict[str, str]:
    """Return the modules of a wheel with `names`, by where each is installed."""
    found: dict[str, str] = {}
    for name in names:
        parts = name.split("/")
        if not name.endswith(".py") or "__pycache__" in parts:
            continue
        if parts[0].endswith(".data"):
            if len(parts) > 2 and parts[1] in ("purelib", "platlib"):
                found["/".join([site_packages, *parts[2:]])] = name
            continue
        found[f"{site_packages}/{name}"] = name
    return found


class _SortedWheel(WheelFile):
    """A wheel whose members come sorted, each knowing its size, and without the bytecode that somebody else compiled."""

    def __init__(self, file: BinaryIO, archive: zipfile.ZipFile, filename: str) -> None:
        # the file lies in the cache under its hash: its own name comes from the lock
        name = parse_wheel_filename(filename)
        super(WheelFile, self).__init__(distribution=name.distribution, version=name.version)
        self._zipfile = self._archive = archive
        self._file = file

    def get_contents(self) -> Iterator[WheelContentElement]:
        seen: set[str] = set()
        for item in sorted(self._archive.infolist(), key=lambda one: one.filename):
            name = item.filename
            if name.endswith("/") or "__pycache__" in name.split("/")[:-1]:
                continue
            if name in seen:
                raise ValueError(f"{name} is in it twice")
            seen.add(name)
            mode = item.external_attr >> 16
            executable = bool(mode and stat.S_ISREG(mode) and mode & 0o111)
            yield (name, "", ""), cast("BinaryIO", Member(self._file, item)), executable


class _Destination(WheelDestination):
    """Receives the files of one wheel; RECORD and bytecode come last."""

    def __init__(self, tar: TarWriter, unit: WheelUnit) -> None:
        self._unit, self._around = unit, unit.surroundings
        self.recorder = Recorder(tar)

    @cached_property
    def _folders(self) -> dict[str, str]:
        around = self._around
        site = around.site_packages
        headers = f"{around.prefix}/include/site/python{around.minor[0]}.{around.minor[1]}/{self._unit.name}"
        scripts = f"{around.prefix}/bin"
        return {"purelib": site, "platlib": site, "scripts": scripts, "data": around.prefix, "headers": headers}

    def write_script(self, name: str, module: str, attr: str, section: Any) -> RecordEntry:
        script, data = Script(name, module, attr, section).generate(f"{self._around.prefix}/bin/python", "posix")
        path = checked_path(self._folders["scripts"], script, self._unit.name)
        return _entry(script, self.recorder.content(path, data, mode=0o755), len(data))

    def write_file(self, scheme: Scheme, path: Any, stream: BinaryIO, is_executable: bool) -> RecordEntry:
        target = checked_path(self._folders[scheme], str(path), self._unit.name)
        mode = 0o755 if is_executable else 0o644
        if not isinstance(stream, Member):
            data = stream.read()
            return _entry(str(path), self.recorder.content(target, data, mode=mode), len(data))
        if scheme == "scripts" and stream.size <= _LARGEST_SCRIPT:
            data = self._with_interpreter(stream.read())
            return _entry(str(path), self.recorder.content(target, data, mode=mode), len(data))
        packed = stream if stream.is_deflated else None
        return _entry(str(path), self.recorder.file(target, stream.size, stream, mode=mode, packed=packed), stream.size)

    def finalize_installation(
        self, scheme: Scheme, record_file_path: str, records: Iterable[tuple[Scheme, RecordEntry]]
    ) -> None:
        site = self._folders[scheme]
        compiled = self._unit.compiled()
        rows = [
            (_relative(f"{self._folders[place]}/{one.path}", site), str(one.hash_ or ""), _text(one.size))
            for place, one in records
        ]
        for path, code in compiled.items():
            self.recorder.hidden(path, code)
            rows.append((_relative(path, site), "", ""))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(sorted(rows))
        self.recorder.content(checked_path(site, record_file_path, self._unit.name), text.getvalue().encode())

    def _with_interpreter(self, data: bytes) -> bytes:
        first, newline, rest = data.partition(b"\n")
        if not first.startswith((b"#!python", b"#!pythonw")):
            return data
        return f"#!{self._around.prefix}/bin/python".encode() + newline + rest


def _relative(path: str, folder: str) -> str:
    # most files are below it, and looking for a way up takes long
    below = path.startswith(f"{folder}/") and posixpath.normpath(path) == path
    return path[len(folder) + 1 :] if below else posixpath.relpath(path, folder)


def _entry(path: str, digest: bytes, size: int) -> RecordEntry:
    return RecordEntry(path, Hash("sha256", base64.urlsafe_b64encode(digest).rstrip(b"=").decode()), size)


def _text(size: int | None) -> str:
    return "" if size is None else str(size)

"""Conda packages as layers: linked one by one with the final prefix into a staging folder, then written canonically."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envbuild.core.errors import EngineError, MustRunError, Problem
from envbuild.core.keys import canonical, sha256
from envbuild.core.lock import CondaPackage
from envbuild.core.platforms import Platform
from envbuild.core.progress import SILENT, Progress
from envbuild.engines.conda_link import LinkJob, link_conda
from envbuild.engines.oci.bytecode import Bytecode, Interpreter, compile_modules
from envbuild.engines.oci.link_scripts import is_harmless
from envbuild.engines.oci.tar import TarWriter
from envbuild.engines.oci.units import Recorder, Surroundings, Told, checked_path
from envbuild.files import cache_root
from envbuild.net.downloads import Download, DownloadCache, download_all
from envbuild.net.http import HttpClient

FORMAT = 1
_CACHE = "/opt/conda/pkgs"
"""Where `conda-meta` says that packages were unpacked: the same on every machine."""

_ABANDONED = 3600
_SCRIPTS = ("-pre-link.sh", "-post-link.sh")
_TIMESTAMPED = b"\0\0\0\0"
_UNCHECKED = b"\1\0\0\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaUnit:
    """A conda package that lies linked in `folder`."""

    package: CondaPackage
    surroundings: Surroundings
    folder: Path

    @property
    def name(self) -> str:
        """Its name."""
        return self.package.name

    @property
    def version(self) -> str:
        """Its version."""
        return self.package.version

    @property
    def size(self) -> int:
        """The size of its archive in bytes, 0 where the lock does not tell."""
        return self.package.size or 0

    @property
    def identity(self) -> list[object]:
        """What its bytes depend on."""
        one = self.package
        told = [one.subdir, one.filename, one.sha256 or one.md5, one.channel, one.url]
        return ["conda", FORMAT, linker_version(), *told, *self.surroundings.identity]

    def write(self, tar: TarWriter) -> Told:
        """Write the package's files, its record, and the bytecode that it lacks.

        Raises:
            PlanError: a path leads out of the prefix.
            MustRunError: it has a link script that does something.
        """
        [record] = self.folder.glob("conda-meta/*.json")
        meta = json.loads(record.read_bytes())
        recorder = Recorder(tar)
        paths = sorted(
            (str(one.get("original_path") or one["_path"]), str(one["_path"])) for one in meta["paths_data"]["paths"]
        )
        self._refuse_scripts([path for path, _ in paths])
        for path, linked in paths:
            self._write_one(recorder, path, self.folder / linked)
        for path, code in self._bytecode(paths).items():
            recorder.hidden(path, code)
        text = json.dumps(self._canonical(meta), sort_keys=True, indent=2, ensure_ascii=False)
        recorder.content(f"{self.surroundings.prefix}/conda-meta/{record.name}", f"{text}\n".encode())
        return recorder.told

    def _write_one(self, recorder: Recorder, path: str, source: Path) -> None:
        target = checked_path(self.surroundings.prefix, path, self.name)
        if source.is_symlink():
            recorder.link(target, os.readlink(source))  # noqa: PTH115 - the text, not where it leads
            return
        if path.endswith(".pyc"):
            self._write_bytecode(recorder, target, source)
            return
        mode = 0o755 if source.stat().st_mode & 0o111 else 0o644
        with source.open("rb") as stream:
            recorder.file(target, source.stat().st_size, stream, mode=mode)

    def _write_bytecode(self, recorder: Recorder, target: str, source: Path) -> None:
        if self.surroundings.interpreter is None:
            return
        data = source.read_bytes()
        if self.surroundings.minor >= (3, 7) and data[4:8] == _TIMESTAMPED:
            # it names the time of a source whose time is another in the image: it would never be used
            data = data[:4] + _UNCHECKED + bytes(8) + data[16:]
        recorder.hidden(target, data)

    def _bytecode(self, paths: Sequence[tuple[str, str]]) -> Bytecode:
        interpreter = self.surroundings.interpreter
        if interpreter is None:
            return Bytecode(paths={})
        prefix = self.surroundings.prefix
        start = f"lib/python{self.surroundings.minor[0]}.{self.surroundings.minor[1]}/"
        shipped = {f"{prefix}/{path}" for path, _ in paths if path.endswith(".pyc")}
        modules = {
            f"{prefix}/{path}": str(self.folder / linked)
            for path, linked in paths
            if path.startswith(start) and path.endswith(".py") and interpreter.path(f"{prefix}/{path}") not in shipped
        }
        if not modules:
            return Bytecode(paths={})
        key = [str(one) for one in self.identity]
        return compile_modules(interpreter, key, modules, lambda source: Path(source).read_bytes())

    def _refuse_scripts(self, paths: Sequence[str]) -> None:
        scripts = [one for one in paths if one.startswith("bin/.") and one.endswith(_SCRIPTS)]
        texts = {one: (self.folder / one).read_text("utf-8", "replace") for one in scripts}
        scripts = [one for one, text in texts.items() if not is_harmless(text)]
        if scripts:
            raise MustRunError(
                Problem(
                    message=f"the oci engine runs nothing, but {self.name} {self.version} has the link script {scripts[0]}",
                    hint="build with a container engine (--engine docker, podman or buildah), which runs it in the image",
                )
            )

    def _canonical(self, meta: dict[str, Any]) -> dict[str, Any]:
        one = self.package
        unpacked = f"{_CACHE}/{one.name}-{one.version}-{one.build}"
        known = {name: value for name, value in meta.items() if name != "package_tarball_full_path"}
        paths = [_plain(entry) for entry in meta["paths_data"]["paths"]]
        return known | {
            "url": one.url,
            "channel": one.channel,
            "fn": one.filename,
            "extracted_package_dir": unpacked,
            "link": {"source": unpacked, "type": 1},
            "requested_specs": [],
            "files": sorted(entry["_path"] for entry in paths),
            "paths_data": {"paths_version": 1, "paths": sorted(paths, key=lambda entry: str(entry["_path"]))},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A folder in which conda packages are linked for `prefix`."""

    folder: Path
    packages: Sequence[CondaPackage]
    prefix: str
    platform: Platform
    client: HttpClient = field(default_factory=HttpClient)

    def interpreter(self, minor: tuple[int, int]) -> Interpreter | None:
        """Return the packages' own interpreter, which is there once `fill` was told to; None where there is none."""
        python = self._python
        if python is None:
            return None
        version = f"{minor[0]}.{minor[1]}"
        identity = sha256(canonical(["conda", python.filename, python.sha256 or python.md5]))
        program = self.folder / "interpreter" / "bin" / f"python{version}"
        return Interpreter(argv=(str(program),), identity=identity, tag=f"cpython-{version.replace('.', '')}")

    def fill(self, units: Sequence[CondaUnit], *, interpreter: bool, progress: Progress = SILENT) -> None:
        """Download and link what `units` are, each in its folder, and with `interpreter` a Python that runs.

        Raises:
            NetworkError, IntegrityError: a package cannot be had, or is not what the lock promises.
            EngineError: one cannot be linked.
        """
        whole = self._closure() if interpreter else ()
        wanted = {one.name: one for one in (*whole, *(unit.package for unit in units), *self._pythons())}
        if not units and not whole:
            return
        places = self._download(tuple(wanted.values()), progress)
        jobs = [LinkJob(packages=[unit.package], folder=unit.folder, places=places) for unit in units]
        if whole:
            jobs.append(LinkJob(packages=whole, folder=self.folder / "interpreter", places=places))
        with progress.step(f"link {len(units)} conda packages"):
            link_conda(jobs, platform=self.platform, prefix=self.prefix, python=self._python)

    @property
    def _python(self) -> CondaPackage | None:
        return next((one for one in self.packages if one.name == "python"), None)

    def _pythons(self) -> tuple[CondaPackage, ...]:
        return (self._python,) if self._python is not None else ()

    def _closure(self) -> tuple[CondaPackage, ...]:
        """Return python and all that it depends on."""
        known = {one.name: one for one in self.packages}
        waiting = [one.name for one in self._pythons()]
        found: dict[str, CondaPackage] = {}
        while waiting:
            name = waiting.pop()
            if name in known and name not in found:
                found[name] = known[name]
                waiting += [text.split()[0] for text in known[name].depends if text.split()]
        # what depends on python (pip) may be asked for by it, and is not needed to run it
        return tuple(found[name] for name in sorted(found) if found[name].noarch != "python")

    def _download(self, packages: Sequence[CondaPackage], progress: Progress) -> dict[str, Path]:
        items = [
            Download(url=one.url, filename=one.filename, sha256=one.sha256, md5=one.md5, size=one.size)
            for one in packages
        ]
        paths = download_into(items, self.folder / "packages", self.client, progress)
        return {one.name: path for one, path in zip(packages, paths, strict=True)}


@contextlib.contextmanager
def stage(packages: Sequence[CondaPackage], prefix: str, platform: Platform) -> Iterator[Stage]:
    """Yield an empty stage for `packages`, which vanishes with the block."""
    parent = cache_root() / "stages"
    parent.mkdir(parents=True, exist_ok=True)
    for old in parent.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > _ABANDONED:
                shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as folder:
        yield Stage(folder=Path(folder), packages=packages, prefix=prefix, platform=platform)


def download_into(items: Sequence[Download], folder: Path, client: HttpClient, progress: Progress) -> list[Path]:
    """Return the files of `items`; those of the same name (of several channels) get folders of their own."""
    found: dict[int, Path] = {}
    rounds: list[list[int]] = []
    for number, item in enumerate(items):
        fitting = next((one for one in rounds if all(items[other].name != item.name for other in one)), None)
        if fitting is None:
            rounds.append([number])
        else:
            fitting.append(number)
    for at, numbers in enumerate(rounds):
        chosen = [items[number] for number in numbers]
        paths = download_all(chosen, folder / str(at), client, cache=DownloadCache(), progress=progress)
        found.update(zip(numbers, paths, strict=True))
    return [found[number] for number in range(len(items))]


def linker_version() -> str:
    """Return which release of the linker is installed: it writes prefixes, entry points and records."""
    try:
        return importlib.metadata.version("py-rattler")
    except importlib.metadata.PackageNotFoundError:
        raise EngineError("conda packages need py-rattler, which is not installed") from None


def _plain(entry: Mapping[str, Any]) -> dict[str, Any]:
    path = entry.get("original_path") or entry["_path"]
    return {name: value for name, value in entry.items() if name != "original_path"} | {"_path": path}

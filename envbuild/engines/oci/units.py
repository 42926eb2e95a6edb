"""What a layer is made of: packages that can write themselves into a tar, and what they tell of it."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, BinaryIO, Protocol, cast

from envbuild.core.errors import PlanError, Problem
from envbuild.engines.elf import MAGIC, ElfFile, read_elf
from envbuild.engines.oci.bytecode import Interpreter
from envbuild.engines.oci.tar import Packed, TarWriter

_SMALL = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every package of one image is installed for. Without `interpreter` there is no bytecode."""

    prefix: str
    minor: tuple[int, int]
    interpreter: Interpreter | None = None

    @property
    def site_packages(self) -> str:
        """Where distributions are installed."""
        return f"{self.prefix}/lib/python{self.minor[0]}.{self.minor[1]}/site-packages"

    @property
    def identity(self) -> list[object]:
        """What the bytes of a package depend on besides the package."""
        return [self.prefix, list(self.minor), self.interpreter.identity if self.interpreter else ""]


@dataclass(slots=True, kw_only=True)
class Told:
    """What is known of a package's content: files with their hash and size, and what its ELF files say."""

    files: list[tuple[str, str, int]] = field(default_factory=list)
    elf: list[tuple[str, ElfFile]] = field(default_factory=list)

    def to_list(self) -> list[object]:
        """Return it as JSON holds it."""
        return [self.files, [[path, one.needed, one.soname] for path, one in self.elf]]

    @classmethod
    def from_list(cls, value: Sequence[list[list[object]]]) -> Told:
        """Read what `to_list` returned."""
        files = [(str(path), str(digest), int(str(size))) for path, digest, size in value[0]]
        elf = [
            (str(path), ElfFile(needed=tuple(cast("list[str]", needed)), soname=str(soname)))
            for path, needed, soname in value[1]
        ]
        return cls(files=files, elf=elf)


class Unit(Protocol):
    """A package. `identity` says what its bytes depend on; `size` is in bytes, as the lock has it."""

    @property
    def name(self) -> str:
        """What it is called in messages and annotations: `numpy`."""
        ...

    @property
    def version(self) -> str:
        """Its version."""
        ...

    @property
    def size(self) -> int:
        """How large it is."""
        ...

    @property
    def identity(self) -> list[object]:
        """What its bytes depend on."""
        ...

    def write(self, tar: TarWriter) -> Told:
        """Write its files."""
        ...


class Recorder:
    """Writes a package's files into a tar and takes notes."""

    def __init__(self, tar: TarWriter) -> None:
        """Write into `tar`."""
        self._tar, self.told = tar, Told()

    def file(self, path: str, size: int, stream: BinaryIO, *, mode: int, packed: Packed | None = None) -> bytes:
        """Write a file of `size` bytes (see `TarWriter.file`) and return its SHA-256."""
        hashing = _Hashing(stream, keep=size <= _SMALL)
        with hashing:
            self._tar.file(path, size, cast("BinaryIO", hashing), mode=mode, packed=packed)
            if (elf := hashing.elf()) is not None:
                self.told.elf.append((path, elf))
        self.told.files.append((path, hashing.digest.hexdigest(), size))
        return hashing.digest.digest()

    def content(self, path: str, data: bytes, *, mode: int = 0o644) -> bytes:
        """Write a file with `data` and return its SHA-256."""
        return self.file(path, len(data), io.BytesIO(data), mode=mode)

    def link(self, path: str, target: str) -> None:
        """Write a symbolic link."""
        self._tar.link(path, target)
        self.told.files.append((path, f"-> {target}", 0))

    def hidden(self, path: str, data: bytes) -> None:
        """Write a file that is no part of the package's own content (bytecode)."""
        self._tar.content(path, data)


class _Hashing:
    """Passes a stream on, hashes it, and keeps an ELF file so that it can be looked into."""

    def __init__(self, stream: BinaryIO, *, keep: bool) -> None:
        self._stream, self._small = stream, keep
        self.digest = hashlib.sha256()
        self._kept: IO[bytes] | None = None
        self._first = True

    def __enter__(self) -> _Hashing:
        return self

    def __exit__(self, *_: object) -> None:
        if self._kept is not None:
            self._kept.close()

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.digest.update(data)
        if self._first and data.startswith(MAGIC):
            self._kept = io.BytesIO() if self._small else tempfile.TemporaryFile()  # noqa: SIM115
        self._first = False
        if self._kept is not None:
            self._kept.write(data)
        return data

    def elf(self) -> ElfFile | None:
        return read_elf(cast("BinaryIO", self._kept)) if self._kept is not None else None


def refuse_clashes(packages: Iterable[tuple[str, Told]]) -> None:
    """Check that no two of `packages` (name and content) write one path, unless with the same bytes.

    Raises:
        PlanError: names each pair and a path.
    """
    problems = dict(_clashes(packages))
    if problems:
        raise PlanError(
            Problem(
                message=f"{first} and {second} both have {path}, and they differ",
                hint="leave one of them out, or build with the docker engine, where the one that is installed last wins",
            )
            for (first, second), path in sorted(problems.items())
        )


def _clashes(packages: Iterable[tuple[str, Told]]) -> Iterator[tuple[tuple[str, str], str]]:
    seen: dict[str, tuple[int, str, str]] = {}
    for number, (name, told) in enumerate(packages):
        for path, digest, _ in told.files:
            owner, other, known = seen.setdefault(path, (number, name, digest))
            if known != digest and owner != number:
                yield (other, name), path


def checked_path(folder: str, path: str, package: str) -> str:
    """Return the absolute path of the member `path` in `folder`.

    Raises:
        PlanError: it would lie outside.
    """
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or "\0" in path or "\\" in path:
        raise PlanError(f"{package}: {path!r} leads out of the environment", hint="the package is broken or hostile")
    return "/".join([folder, *(part for part in parts if part not in ("", "."))])

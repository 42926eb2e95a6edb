"""Bytecode for packages, compiled by the very interpreter that will run it, so that it is the same on every machine.

Unchecked-hash bytecode (PEP 552) is valid whatever the files' times are. Its bytes depend on the exact build of the
interpreter, on the hash seed and on what was compiled before: hence that interpreter, no seed, and a process for each package.
"""

from __future__ import annotations

import hashlib
import posixpath
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from envbuild import programs
from envbuild.core.errors import EngineError
from envbuild.core.keys import canonical, sha256
from envbuild.core.platforms import Platform, image_platform
from envbuild.engines.elf import read_elf
from envbuild.engines.oci.base import BaseFacts
from envbuild.engines.oci.compilers import ENVIRONMENT, FLAGS, Compilers
from envbuild.files import cache_root

_FORMAT = 3
_DIGEST, _END = 32, b"end\n"
OLDEST = (3, 7)
"""The first Python whose bytecode can be independent of times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """How to run an interpreter here, by `compilers`; `identity` is that of its program and library, `tag` is in its bytecode files' names."""

    argv: tuple[str, ...]
    identity: str
    tag: str
    compilers: Compilers = field(default_factory=Compilers, repr=False, compare=False)

    def path(self, source: str) -> str:
        """Return where the bytecode of the module at `source` lies (PEP 3147)."""
        folder, name = posixpath.split(source)
        return posixpath.join(folder, "__pycache__", f"{name.removesuffix('.py')}.{self.tag}.pyc")


class CannotCompileError(EngineError):
    """The interpreter cannot run on this machine; the image does without bytecode."""


def base_interpreter(facts: BaseFacts, path: str, minor: tuple[int, int], platform: Platform) -> Interpreter:
    """Return the base's interpreter at `path`, run by the base's own loader and libraries.

    Raises:
        CannotCompileError: it cannot run here.
    """
    check_machine(minor, platform)
    program = facts.root / facts.real(path)
    try:
        with program.open("rb") as file:
            elf = read_elf(file)
    except OSError:
        raise CannotCompileError(f"{path} is no program in the base") from None
    if elf is None:
        raise CannotCompileError(f"{path} of the base is no ELF program")
    loader = facts.root / facts.real(elf.interpreter) if elf.interpreter else None
    folders = sorted({str(one.parent) for one in facts.root.glob("**/lib*.so*") if "lib-dynload" not in one.parts})
    start = [str(loader), "--library-path", ":".join(folders)] if loader is not None else []
    libraries = [facts.root / facts.real(f"/{one}") for one in _links_of(facts, elf.needed)]
    return _working((*start, str(program)), [program, *libraries], minor)


def check_machine(minor: tuple[int, int], platform: Platform) -> None:
    """Check that an interpreter for `platform` can run here and make bytecode that is independent of times.

    Raises:
        CannotCompileError: it cannot.
    """
    if platform != image_platform():
        raise CannotCompileError(f"this machine does not run programs for {platform.oci}")
    if minor < OLDEST:
        raise CannotCompileError(f"Python {minor[0]}.{minor[1]} knows no bytecode that is independent of times")


def _links_of(facts: BaseFacts, needed: Sequence[str]) -> list[str]:
    """Return where the interpreter's own library lies: most of the interpreter is in it where it is a shared one."""
    wanted = {name for name in needed if name.startswith("libpython")}
    known = [*facts.links, *(str(one.relative_to(facts.root)) for one in facts.root.glob("**/libpython*"))]
    return sorted({one for one in known if posixpath.basename(one) in wanted})


def _working(argv: tuple[str, ...], files: Sequence[Path], minor: tuple[int, int]) -> Interpreter:
    question = "import sys; print(*sys.version_info[:2], sys.implementation.cache_tag)"
    said = programs.run([*argv, *FLAGS, "-c", question], env=ENVIRONMENT, check=False)
    if said.code != 0 or said.stdout.split()[:2] != [str(number) for number in minor]:
        raise CannotCompileError(f"{argv[-1]} does not run on this machine as Python {minor[0]}.{minor[1]}")
    digests = sorted({hashlib.sha256(one.read_bytes()).hexdigest() for one in files if one.is_file()})
    return Interpreter(argv=argv, identity=sha256(canonical([_FORMAT, digests])), tag=said.stdout.split()[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytecode:
    """The bytecode of one package, in a file of the cache: one module at a time is in memory."""

    paths: Mapping[int, str]
    file: Path | None = None

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Yield where each module's bytecode will be found in the image, and the bytecode."""
        if self.file is None:
            return
        with self.file.open("rb") as file:
            file.seek(_DIGEST)
            while (line := file.readline()) != _END:
                number, size = map(int, line.split())
                yield self.paths[number], file.read(size)


def compile_modules(
    interpreter: Interpreter, key: Sequence[str], modules: Mapping[str, str], read: Callable[[str], bytes]
) -> Bytecode:
    """Return the bytecode of `modules`; remembered under `key`.

    `modules` maps a path in the image to what `read` returns the source of.

    Raises:
        EngineError: the interpreter failed.
    """
    known = cache_root() / "bytecode" / f"{sha256(canonical([_FORMAT, interpreter.identity, *key]))}.pycs"
    names = sorted(modules)
    if not _is_whole(known):
        _compile(interpreter, names, lambda name: read(modules[name]), known)
    return Bytecode(paths={number: interpreter.path(name) for number, name in enumerate(names)}, file=known)


def _compile(interpreter: Interpreter, names: Sequence[str], read: Callable[[str], bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=target.parent) as temporary:
        sources, output = Path(temporary) / "sources", Path(temporary) / "output"
        with sources.open("wb") as file:
            for name in names:
                path, source = name.encode(), read(name)
                file.write(b"%d %d\n%s%s" % (len(path), len(source), path, source))
        try:
            interpreter.compilers.compile(interpreter.argv, sources, output)
        except programs.ProgramError as error:
            said = f"{interpreter.argv[-1]} ended with {error.completed.code}\n{error.completed.stderr}"
            raise EngineError(f"the bytecode cannot be made: {said}") from error
        # the worker left room for the digest at the beginning
        with output.open("r+b") as file:
            digest = _digest_after(file)
            file.seek(0)
            file.write(digest)
        output.replace(target)


def _is_whole(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(_DIGEST) == _digest_after(file)
    except OSError:
        return False


def _digest_after(file: BinaryIO) -> bytes:
    file.seek(_DIGEST)
    found = hashlib.sha256()
    while chunk := file.read(1 << 20):
        found.update(chunk)
    return found.digest()

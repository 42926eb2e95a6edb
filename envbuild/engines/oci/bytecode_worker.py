"""Compiles modules in the interpreter that will run them: `python -I -S -B bytecode_worker.py TASK OUTPUT`.

Runs on CPython 3.7 and later, one process for each package, and imports nothing of envbuild. A module that does not
compile (packages ship templates and code for other versions) has no bytecode, as with pip.
"""

from __future__ import annotations

import json
import marshal
import sys
import zipfile
from collections.abc import Callable
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path
from typing import BinaryIO

_UNCHECKED = b"\x01\0\0\0"  # PEP 552: by hash, and never looked at


def main(task: str, output: str) -> None:
    """Compile what `task` names and write it to `output`."""
    wanted = json.loads(Path(task).read_bytes())
    with Path(output).open("wb") as file:
        if wanted.get("wheel"):
            with zipfile.ZipFile(wanted["wheel"]) as archive:
                compile_all(wanted["files"], archive.read, file)
        else:
            compile_all(wanted["files"], read, file)
        file.write(b"end\n")


def read(path: str) -> bytes:
    """Return the bytes of a file."""
    return Path(path).read_bytes()


def compile_all(files: list[list[str]], read: Callable[[str], bytes], output: BinaryIO) -> None:
    """Write the bytecode of `files`, pairs of where the source is and what it will be called, to `output`."""
    for number, (source, name) in enumerate(files):
        data = read(source)
        try:
            code = compile(data, name, "exec", dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            continue
        # unchecked: valid whatever becomes of the source's time
        compiled = b"".join([MAGIC_NUMBER, _UNCHECKED, source_hash(data), marshal.dumps(code)])
        output.write(b"%d %d\n" % (number, len(compiled)))
        output.write(compiled)


if __name__ == "__main__":
    main(*sys.argv[1:])

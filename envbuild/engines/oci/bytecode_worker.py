"""Compiles modules in the interpreter that will run them: `python -I -S -B bytecode_worker.py`.

It is asked by a line on its input, `SOURCES OUTPUT`, two paths in hexadecimal digits, and answers with a line, 0 where all went
well. Each package is compiled by a child of its own, forked from what has compiled nothing: as what is compiled depends on what
was before. On CPython 3.7 and later, so it imports nothing that is not in the interpreter itself. SOURCES holds for each module
a line `<length of its path> <length of its source>`, then both. A module that does not compile (packages ship templates, and
code for other versions) has no bytecode, as with pip.
"""

import _frozen_importlib_external as external
import _imp
import marshal
import posix
import sys

UNCHECKED = b"\x01\0\0\0"  # PEP 552: by hash, and the hash is never looked at


def main() -> None:
    """Answer what is asked, until nobody asks any more."""
    with open(0, "rb", closefd=False) as asked:
        for line in asked:
            sources, output = (bytes.fromhex(word.decode()) for word in line.split())
            child = posix.fork()
            if not child:
                posix._exit(child_of(sources, output))  # noqa: SLF001 - `os` is not imported
            posix.write(1, b"%d\n" % posix.waitpid(child, 0)[1])


def child_of(sources: bytes, output: bytes) -> int:
    """Do what a child is for, and return its exit code."""
    try:
        compile_all(sources, output)
    except BaseException:  # noqa: BLE001 - said to whoever asked
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        return 1
    return 0


def compile_all(sources: bytes, output: bytes) -> None:
    """Compile all modules in `sources`; after 32 bytes `output` gets a line `<number> <length>` and the bytecode for each."""
    with open(sources, "rb") as file, open(output, "wb") as target:  # noqa: PTH123 (pathlib takes longer than the work)
        target.write(bytes(32))  # for a digest
        for number, line in enumerate(iter(file.readline, b"")):
            path_size, size = map(int, line.split())
            path, data = file.read(path_size).decode(), file.read(size)
            compiled = compile_one(path, data)
            if compiled:
                target.write(b"%d %d\n" % (number, len(compiled)))
                target.write(compiled)
        target.write(b"end\n")


def compile_one(path: str, data: bytes) -> bytes:
    """Return the bytecode of the source `data`, or nothing."""
    try:
        code = compile(data, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return b""
    source_hash = _imp.source_hash(external._RAW_MAGIC_NUMBER, data)  # type: ignore[attr-defined]  # noqa: SLF001
    return b"".join([external.MAGIC_NUMBER, UNCHECKED, source_hash, marshal.dumps(code)])


if __name__ == "__main__":
    main()

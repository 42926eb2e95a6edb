"""Whether what distributions installed can be imported: asked of the interpreter that will import it.

Run as a program in an image (`python -I -c SOURCE PREFIX`) it imports each top-level module below PREFIX. So it needs Python 3.7 and
nothing but its standard library.
"""

from __future__ import annotations

import csv
import importlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import NoReturn

MARK = "envbuild-imports "
"""What begins the line with the answer: a base's entry point may print others."""

_LEFT_OUT = frozenset({"test", "tests", "testing", "conftest", "setup"})
_SUFFIXES = (".py", *EXTENSION_SUFFIXES)


def modules(prefix: str) -> dict[str, str]:
    """Return the top-level modules of the distributions below `prefix`, sorted, each with the distribution that has it."""
    found: dict[str, str] = {}
    for distribution, names in sorted(_distributions(prefix)):
        for name in names:
            found.setdefault(name, distribution)
    return dict(sorted(found.items()))


def _distributions(prefix: str) -> Iterator[tuple[str, list[str]]]:
    for folder in Path(prefix).glob("lib/python*/site-packages/*-info"):
        name = folder.name.split("-")[0].lower().replace("_", "-")
        record, top = folder / "RECORD", folder / "top_level.txt"
        if record.is_file():
            rows = csv.reader(record.read_text("utf-8").splitlines())
            yield name, sorted(top_modules(row[0] for row in rows if row))
        elif top.is_file():
            yield name, sorted(one for one in top.read_text("utf-8").split() if _is_asked(one.split("/")))


def top_modules(files: Iterable[str]) -> set[str]:
    """Return what is imported first of `files`, paths relative to site-packages: modules, packages, packages in a namespace."""
    paths = [path.split("/") for path in files if path.endswith(_SUFFIXES)]
    packages = {tuple(parts[:-1]) for parts in paths if parts[-1].split(".")[0] == "__init__"}
    found = {_first(parts, packages) for parts in paths}
    return {".".join(names) for names in found if _is_asked(names)}


def _first(parts: Sequence[str], packages: set[tuple[str, ...]]) -> tuple[str, ...]:
    heads = (tuple(parts[:end]) for end in range(1, len(parts)))
    alone = (parts[0].split(".")[0],) if len(parts) == 1 else ()
    return next((head for head in heads if head in packages), alone)


def _is_asked(names: Sequence[str]) -> bool:
    """Tell whether `names` are a module's, and none of them is private or of tests."""
    return bool(names) and all(one.isidentifier() and not one.startswith("_") and one not in _LEFT_OUT for one in names)


def failures(names: Sequence[str]) -> dict[str, str]:
    """Import each of `names`, all in one process of its own, and return what went wrong by name.

    Where a module ends the process, what comes after it is imported in another.
    """
    told: dict[str, str] = {}
    rest = list(names)
    while rest:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _import_all(rest, writing)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as lines:
            for line in lines:
                told[rest.pop(0)] = json.loads(line)
        status = os.waitpid(child, 0)[1]
        if rest:
            how = f"signal {status & 0x7F}" if status & 0x7F else f"code {status >> 8}"
            told[rest.pop(0)] = f"the interpreter ended with {how}"
    return {name: error for name, error in told.items() if error}


def _import_all(names: Sequence[str], writing: int) -> NoReturn:
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    for name in names:
        os.write(writing, json.dumps(_error(name)).encode() + b"\n")
    os._exit(0)


def _error(name: str) -> str:
    try:
        importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001 - a module may raise anything, and exit
        return f"{type(error).__name__}: {error}"
    return ""


def main(prefix: str) -> None:
    """Print one line of JSON: how many modules there are below `prefix`, and which fail: distribution, module, error."""
    found: Mapping[str, str] = modules(prefix)
    failed = [[found[name], name, error] for name, error in failures(list(found)).items()]
    told = {"modules": len(found), "packages": len(set(found.values())), "failed": failed}
    sys.stdout.write("\n" + MARK + json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])

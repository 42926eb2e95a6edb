"""A folder with a base that has an interpreter which runs (this machine's own) and wheels with real code."""

from __future__ import annotations

import json
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from envbuild import programs
from tests.oci.making import MERGED_USR, layout, on_disk

_LEFT_OUT = {
    "site-packages",
    "test",
    "tests",
    "__pycache__",
    "idlelib",
    "tkinter",
    "ensurepip",
    "turtledemo",
    "lib2to3",
}


@pytest.fixture(scope="session")
def machine_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `base`, an OCI layout with this machine's interpreter and its libraries, and `python.json` about it."""
    folder = tmp_path_factory.mktemp("machine")
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    files: dict[str, object] = {**MERGED_USR, "usr/local": None, "usr/local/bin": None, "usr/local/lib": None}
    files["lib64"] = "-> usr/lib64"
    program = Path(sys.base_prefix, "bin", f"python{minor}").resolve()
    files[f"usr/local/bin/python{minor}"] = program.read_bytes()
    stdlib = Path(sysconfig.get_path("stdlib"))
    for path in sorted(stdlib.rglob("*")):
        parts = path.relative_to(stdlib).parts
        if path.is_file() and not _LEFT_OUT & set(parts) and not parts[0].startswith("config-"):
            files["/".join((f"usr/local/lib/python{minor}", *parts))] = path.read_bytes()
    for path in _libraries(program):
        target = str(path).lstrip("/")
        files[re.sub(r"^(lib|lib64)/", r"usr/\1/", target)] = path.resolve().read_bytes()
    layout(folder / "base", files)
    told = {"version": sys.version.split()[0], "path": f"/usr/local/bin/python{minor}"}
    (folder / "python.json").write_text(json.dumps(told))
    return folder


@pytest.fixture
def folder(machine_base: Path, tmp_path: Path) -> Path:
    """That base, and six wheels made of the standard library's own modules."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "base").symlink_to(machine_base / "base")
    (work / "python.json").write_bytes((machine_base / "python.json").read_bytes())
    stdlib = Path(sysconfig.get_path("stdlib"))
    for name in ("json", "email", "asyncio", "logging", "unittest", "concurrent"):
        sources = sorted((stdlib / name).rglob("*.py"))
        files = {f"my_{name}/{path.relative_to(stdlib / name)}": path.read_bytes() for path in sources}
        on_disk(work / "wheels", f"my_{name}", "1.0", files=files)
    return work


def _libraries(program: Path) -> Iterator[Path]:
    for line in programs.run(["ldd", str(program)]).stdout.splitlines():
        if found := re.search(r"(/[^ ]+\.so[^ ]*)", line):
            yield Path(found[1])

from __future__ import annotations

import pytest

from envbuild import programs
from tests.support.conda_prefix import install
from tests.support.conda_python import glibc_needed

PROGRAM = """
import asyncio, bz2, ctypes, curses, hashlib, json, lzma, readline, sqlite3, ssl, sys, sysconfig, uuid, zlib
assert "python" in sysconfig.get_paths()["purelib"] and sysconfig.get_paths()["purelib"].startswith(sys.prefix)
assert sqlite3.connect(":memory:").execute("select 42").fetchone() == (42,)
assert hashlib.new("sha256", b"").hexdigest().startswith("e3b0c442")
print(sys.prefix, sysconfig.get_config_var("BINDIR"))
"""


@pytest.fixture(scope="module")
def prefix(python_channel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("conda") / "env"
    install(python_channel, ["python=3.11", "pip", "greeter"], folder)
    return folder


def test_the_conda_python_runs_from_its_prefix(prefix):
    printed = programs.run([f"{prefix}/bin/python", "-c", PROGRAM], env={}).stdout.split()
    assert printed == [str(prefix), f"{prefix}/bin"]
    assert programs.run([f"{prefix}/bin/greet"], env={}).stdout == "hello, adder 2.0\n"
    assert f"from {prefix}/lib/python3.11/site-packages/pip" in programs.run([f"{prefix}/bin/pip", "-V"], env={}).stdout


def test_pip_of_the_conda_python_installs_into_its_prefix(prefix, index):
    index.add("small", "1.0")
    options = ["-q", "--no-cache-dir", "--index-url", index.url]
    programs.run([f"{prefix}/bin/python", "-m", "pip", "--isolated", "install", *options, "small"], env={})
    assert (prefix / "lib/python3.11/site-packages/small.py").exists()


def test_a_virtual_environment_of_the_conda_python_does_not_see_its_packages(prefix, tmp_path):
    venv = tmp_path / "venv"
    programs.run([f"{prefix}/bin/python", "-m", "venv", "--without-pip", str(venv)], env={})
    assert programs.run([f"{venv}/bin/python", "-c", "import adder"], env={}, check=False).code == 1


def test_libraries_come_from_the_prefix_and_are_declared(prefix):
    binaries = [
        prefix / "bin/python3.11",
        *(prefix / "lib/python3.11/lib-dynload").glob("*.so"),
        *(prefix / "lib").glob("*.so*"),
    ]
    linked = programs.run(["ldd", *map(str, binaries)], env={}).stdout
    found = {words[0]: words[2] for line in linked.splitlines() if len(words := line.split()) > 2 and words[1] == "=>"}
    outside = {name for name, path in found.items() if not path.startswith(str(prefix))}
    assert {name.split(".")[0] for name in outside} <= {"libc", "libm"}
    assert "not found" not in linked


def test_the_newest_glibc_symbol_is_what_a_file_needs():
    assert glibc_needed(b"\0GLIBC_2.4\0GLIBC_2.35\0GLIBC_PRIVATE") == (2, 35)
    assert glibc_needed(b"text") == (2, 0)

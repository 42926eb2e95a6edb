"""The files part of `benchmarks.lock`: what is in a lock, and how little of it moves."""

from __future__ import annotations

import difflib
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.lock_channel import SNAPSHOT, own_environment, served
from benchmarks.timing import Count, run

DEFINITIONS = (
    "python=3.11 numpy pandas",
    "python=3.11 numpy>=1.2,<3 matplotlib-base",
    "python 3.11.* scikit-learn requests pip",
    "python=3.12 pyarrow",
    "conda-forge::python=3.11 dask",
)
_THEIRS = """
import sys
from pathlib import Path
from conda_lock.content_hash import compute_content_hashes
from conda_lock.src_parser import pyproject_toml
from conda_lock.src_parser.aggregation import aggregate_lock_specs
from conda_lock.src_parser.environment_yaml import parse_environment_file
from conda_lock.virtual_package import default_virtual_package_repodata
pyproject_toml.pypi_name_to_conda_name = lambda name, mapping_url: name
platforms = ["linux-64"]
spec = aggregate_lock_specs([parse_environment_file(Path(sys.argv[1]), platforms, "")], platforms)
print(compute_content_hashes(spec, default_virtual_package_repodata())["linux-64"])
"""
"""conda-lock's own parser and hash; only its look-up of pip's conda name over the network is taken out."""


def measure(*, full: bool) -> Iterator[Count]:
    """Yield one row a promise."""
    del full
    if not SNAPSHOT.is_dir():
        print(f"skipped: {SNAPSHOT} is not there", file=sys.stderr)
        return
    with served(SNAPSHOT) as url, tempfile.TemporaryDirectory(prefix="envbuild-bench-") as name:
        folders = [_locked(Path(name), number, text, url) for number, text in enumerate(DEFINITIONS)]
        equal = sum(_content_hash(one) == _conda_locks(one) for one in folders)
        yield Count(what="files: content_hash is conda-lock's own", found=equal, wanted=len(folders))
        urls = [found for one in folders for found in re.findall(r"(?:url|path): (\S+)", _lock(one))]
        clean = [
            one for one in urls if "127.0.0.1" not in one and "@" not in one and not one.startswith(("/", "file:"))
        ]
        yield Count(what="files: URLs without mirror, credential, path", found=len(clean), wanted=len(urls))
        yield _one_package(folders[2], url, "requests")


def _one_package(folder: Path, url: str, name: str) -> Count:
    """Move one package, and count the lines that moved with it: all have to be between its first and its last."""
    _run(folder, url, "--update-all", "--exclude-newer", "2025-06-01")
    old = _lock(folder)
    text = (folder / "environment.yml").read_text()
    (folder / "environment.yml").write_text(text.replace(name, f"{name} !={_version(old, name)}"))
    _run(folder, url)
    new = _lock(folder)
    moved = [one for one in difflib.unified_diff(old.splitlines(), new.splitlines(), n=0) if one[:1] in "+-"][2:]
    names = {_version(one, name) for one in (old, new)}
    blocks = _blocks(old) ^ _blocks(new)
    packages = {re.findall(r"name: (\S+)", one)[0] for one in blocks}
    notes = {"lines": len(moved), "versions": " ".join(sorted(names)), "moved": " ".join(sorted(packages))}
    return Count(what="files: one package moves, and only its lines", found=packages == {name}, wanted=1, notes=notes)


def _blocks(text: str) -> set[str]:
    return set(re.split(r"^- ", text.partition("\npackage:")[2], flags=re.MULTILINE)[1:])


def _version(text: str, name: str) -> str:
    found = re.search(rf"^- name: {name}\n  version: '?([^'\n]+)", text, re.MULTILINE)
    return found[1] if found else ""


def _locked(root: Path, number: int, specs: str, url: str) -> Path:
    folder = root / str(number)
    folder.mkdir()
    lines = "".join(f"  - {one}\n" for one in specs.replace(" 3.11.*", "=3.11.*").split())
    (folder / "environment.yml").write_text(f"channels:\n  - conda-forge\ndependencies:\n{lines}")
    _run(folder, url)
    return folder


def _run(folder: Path, url: str, *options: str) -> None:
    argv = [sys.executable, "-m", "envbuild", "lock", "--quiet", "--platform", "linux-64", "--mirror"]
    run([*argv, f"conda-forge={url}", *options], cwd=folder, env=own_environment())


def _lock(folder: Path) -> str:
    return (folder / "conda-lock.yml").read_text()


def _content_hash(folder: Path) -> str:
    found = re.search(r"content_hash:\n\s+linux-64: (\S+)", _lock(folder))
    return found[1] if found else ""


def _conda_locks(folder: Path) -> str:
    """Return what conda-lock itself computes for the definition in `folder`."""
    done = run([sys.executable, "-c", _THEIRS, "environment.yml"], cwd=folder, env=own_environment())
    return done.stdout.split()[-1]

"""The agreement part of `benchmarks.lock`: definitions that people wrote, answered by two solvers each.

conda: channels are the snapshot; our packages are rattler's own, or both have no answer. pip: on the real index, uv's pins are
pip-tools' (a few definitions, for pip-tools takes its time; 30 with `--full`).
"""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.corpus import ARCHIVE, primary_files, unpacked
from benchmarks.lock_channel import SNAPSHOT, own_environment, repodata, served
from benchmarks.timing import Count, run
from envbuild.api import read_definition
from envbuild.core.errors import DefinitionError
from envbuild.lockfile import load_lock
from envbuild.programs import ProgramError

WANTED = 30
PIP_WANTED = 5
MOST = 8
"""Requirements of a definition that is taken for pip's half."""

PATIENCE = 240
"""Seconds for one answer of pip's half: pip may go back through every version of a name for hours."""


def measure(*, full: bool) -> Iterator[Count]:
    """Yield how many definitions both solvers of a side answer alike."""
    if not SNAPSHOT.is_dir() or not ARCHIVE.is_file():
        print("skipped: the corpus or the snapshot is not there", file=sys.stderr)
        return
    # neighbours in the corpus are alike: a fixed shuffle takes definitions of many projects
    files = sorted(primary_files(unpacked(ARCHIVE)), key=lambda one: hashlib.sha256(one[1].name.encode()).digest())
    with tempfile.TemporaryDirectory(prefix="envbuild-bench-") as name:
        yield _conda([path for kind, path in files if kind == "conda_env"], Path(name))
        wanted = WANTED if full else PIP_WANTED
        pip_folder = Path(name, "pip")
        pip_folder.mkdir()
        yield _pip([path for kind, path in files if kind == "requirements"], pip_folder, wanted)


def _conda(paths: list[Path], folder: Path) -> Count:
    solved = same = 0
    known = {
        record["name"]
        for subdir in ("linux-64", "noarch")
        for key in ("packages", "packages.conda")
        for record in repodata(subdir)[key].values()
    }
    with served(SNAPSHOT) as url:
        for path in paths:
            if solved >= WANTED:
                break
            specs = _specs(path, known)
            theirs = _bare(specs, url, folder) if specs else []
            if not theirs:
                continue
            solved += 1
            ours = _ours(specs, url, folder)
            same += ours == theirs
            if ours != theirs:
                print(f"differs: {path.name}: {sorted(set(ours) ^ set(theirs))[:4]}", file=sys.stderr)
    return Count(what="agreement: conda's answer is bare rattler's", found=same, wanted=WANTED, notes={"of": solved})


def _specs(path: Path, known: set[str]) -> list[str]:
    """Return the conda specs of a definition whose names the snapshot has, and that names no channel for one of them."""
    try:
        found = read_definition(path)
    except DefinitionError:
        return []
    plain = all(one.name in known and not one.channel and "[" not in one.text for one in found.conda)
    return [one.text for one in found.conda] if plain else []


def _bare(specs: list[str], url: str, folder: Path) -> list[str]:
    argv = [sys.executable, str(Path(__file__).with_name("lock_bare.py")), url, str(folder / "cache"), "linux-64"]
    try:
        return run([*argv, *specs], cwd=folder, env=own_environment()).stdout.split()
    except ProgramError:
        return []


def _ours(specs: list[str], url: str, folder: Path) -> list[str]:
    lines = "".join(f"  - {one}\n" for one in specs)
    (folder / "environment.yml").write_text(f"channels:\n  - conda-forge\ndependencies:\n{lines}")
    (folder / "conda-lock.yml").unlink(missing_ok=True)
    argv = [
        sys.executable,
        "-m",
        "envbuild",
        "lock",
        "-q",
        "--platform",
        "linux-64",
        "--virtual-package",
        "__glibc=2.35",
    ]
    try:
        run([*argv, "--mirror", f"conda-forge={url}"], cwd=folder, env=own_environment())
    except ProgramError as error:
        print(str(error).splitlines()[-1], file=sys.stderr)
        return []
    text = re.split(r"^- ", (folder / "conda-lock.yml").read_text(), flags=re.MULTILINE)
    conda = "".join(one for one in text if "manager: conda" in one)
    return sorted(re.findall(r"^  url: (\S+)$", conda, re.MULTILINE))


def _pip(paths: list[Path], folder: Path, wanted: int) -> Count:
    asked = same = 0
    for path in paths:
        if asked >= wanted:
            break
        lines = _requirements(path)
        if not lines:
            continue
        answers = [_pins(lines, folder, resolver) for resolver in ("uv", "pip-tools")]
        if not all(answers):
            continue
        asked += 1
        same += answers[0] == answers[1]
        if answers[0] != answers[1]:
            print(f"differs: {path.name}: {sorted(answers[0] ^ answers[1])[:6]}", file=sys.stderr)
    return Count(what="agreement: uv's pins are pip-tools'", found=same, wanted=wanted, notes={"of": asked})


def _requirements(path: Path) -> list[str]:
    """Return the lines of a small definition that asks an index for names only."""
    try:
        found = read_definition(path)
    except DefinitionError:
        return []
    plain = all(one.kind == "name" for one in found.pip) and not found.index.index_url and not found.constraints
    return [one.text for one in found.pip] if plain and 0 < len(found.pip) <= MOST else []


def _pins(lines: list[str], folder: Path, resolver: str) -> set[str]:
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n")
    (folder / "pylock.toml").unlink(missing_ok=True)
    argv = [sys.executable, "-m", "envbuild", "lock", "-q", "--platform", "linux-64", "--pip-resolver", resolver]
    try:
        run([*argv, "requirements.txt"], cwd=folder, env=own_environment(), timeout=PATIENCE)
    except ProgramError as error:
        print(f"{resolver}: {str(error).splitlines()[-1][:160]}", file=sys.stderr)
        return set()
    return {f"{one.name}=={one.version}" for one in load_lock(folder / "pylock.toml").pip}

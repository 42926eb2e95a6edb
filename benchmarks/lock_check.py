"""The check part of `benchmarks.lock`: is a lock of some 300 packages fresh? Against the interpreter's own start, conda-lock and uv.

Ours is the program that an installer wrote, as people start it. uv is asked without the network, since we never use it here.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import uv

from benchmarks.lock_channel import SNAPSHOT, own_environment, served
from benchmarks.lock_pip import NAMES
from benchmarks.timing import Row, in_turn, run
from envbuild.net.clean import clean_environment
from envbuild.programs import ProgramError

ELEVEN = "python=3.11 numpy pandas scikit-learn matplotlib requests scipy dask jupyterlab flask sqlalchemy".split()  # noqa: SIM905
IMPORTS = [sys.executable, "-c", "import argparse, json, hashlib"]
NOTHING = [sys.executable, "-I", "-c", "pass"]
INSTALLED = Path(sys.executable).with_name("envbuild")
PROGRAM = [str(INSTALLED)] if INSTALLED.is_file() else [sys.executable, "-m", "envbuild"]
PYTHON_BAR = 3.0
PEER_BAR = 1.0
REQUIREMENTS = 75
"""What the project asks for that uv and we lock: some 300 packages."""


def measure(*, full: bool) -> Iterator[Row]:
    """Yield one row a peer; one that does not run here is named on stderr."""
    rounds = 41 if full else 21
    with tempfile.TemporaryDirectory(prefix="envbuild-bench-") as name:
        folder = Path(name)
        if SNAPSHOT.is_dir():
            yield from _against("check: 318 conda packages", _conda(folder), _conda_peers(folder), rounds)
        else:
            print(f"skipped: {SNAPSHOT} is not there", file=sys.stderr)
        (folder / "pip").mkdir()
        yield from _against(*_pip(folder / "pip"), rounds)


Peers = dict[str, tuple[Callable[[], object], float]]
"""What each peer runs, and the most that ours may take of its time."""


def _against(what: str, ours: Callable[[], object], peers: Peers, rounds: int) -> Iterator[Row]:
    for peer, (theirs, bar) in peers.items():
        try:
            theirs()
        except ProgramError as error:
            print(f"{peer}: not run: {str(error).splitlines()[-1]}", file=sys.stderr)
            continue
        times = in_turn(ours, theirs, rounds)
        yield Row(what=what, peer=peer, ours=times[0], theirs=times[1], bar=bar)


def _conda(folder: Path) -> Callable[[], object]:
    """Lock the eleven specs in `folder`, and return the check of that."""
    lines = "".join(f"  - {one}\n" for one in ELEVEN)
    (folder / "environment.yml").write_text(f"channels:\n  - conda-forge\ndependencies:\n{lines}")
    env = own_environment(ENVBUILD_CACHE_DIR=str(folder / "cache"))
    with served(SNAPSHOT) as url:
        run([*PROGRAM, "lock", "--platform", "linux-64", "--mirror", f"conda-forge={url}"], cwd=folder, env=env)
    return lambda: run([*PROGRAM, "lock", "--check", "environment.yml"], cwd=folder, env=env)


def _conda_peers(folder: Path) -> Peers:
    env = own_environment()
    argv = [sys.executable, "-m", "conda_lock", "lock", "--check-input-hash", "-f", "environment.yml", "-p", "linux-64"]
    return {
        "python -I -c pass": (lambda: run(NOTHING, cwd=folder, env=env), 0.0),
        "python -c import": (lambda: run(IMPORTS, cwd=folder, env=env), PYTHON_BAR),
        "conda-lock": (lambda: run([*argv, "--lockfile", "conda-lock.yml"], cwd=folder, env=env), PEER_BAR),
    }


def _pip(folder: Path) -> tuple[str, Callable[[], object], Peers]:
    """Lock one project by both sides; return what it holds, our check, and uv's beside the interpreter's start."""
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    names = ", ".join(f'"{one}"' for one in NAMES[:REQUIREMENTS])
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "many"\nversion = "1"\nrequires-python = ">={minor}"\ndependencies = [{names}]\n'
    )
    env = clean_environment(own_environment(UV_CACHE_DIR=str(folder / "cache")))
    argv = [uv.find_uv_bin(), "lock", "--quiet", "--no-config", "--no-python-downloads", "--python", sys.executable]
    run([*PROGRAM, "lock", "--quiet"], cwd=folder, env=own_environment(ENVBUILD_CACHE_DIR=str(folder / "cache")))
    run(argv, cwd=folder, env=env)
    mine, theirs = ((folder / name).read_text().count("\nname = ") for name in ("pylock.toml", "uv.lock"))
    ours = [*PROGRAM, "lock", "--check", "pyproject.toml"]
    return (
        f"check: {mine} wheels (uv: {theirs})",
        lambda: run(ours, cwd=folder, env=own_environment()),
        {
            "python -I -c pass": (lambda: run(NOTHING, cwd=folder, env=env), 0.0),
            "uv lock --check": (lambda: run([*argv, "--check", "--offline"], cwd=folder, env=env), PEER_BAR),
        },
    )

"""The check part of `benchmarks.lock`: is a lock of 318 conda packages fresh? Against bare Python, conda-lock and uv."""

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
PYTHON_BAR = 3.0
PEER_BAR = 1.0
UV_REQUIREMENTS = 60
"""What uv's project asks for: some 300 packages are locked then."""


def measure(*, full: bool) -> Iterator[Row]:
    """Yield one row a peer; one that does not run here is named on stderr."""
    if not SNAPSHOT.is_dir():
        print(f"skipped: {SNAPSHOT} is not there", file=sys.stderr)
        return
    rounds = 41 if full else 21
    with tempfile.TemporaryDirectory(prefix="envbuild-bench-") as name:
        folder = Path(name)
        ours = _locked(folder)
        bare = [sys.executable, "-c", "import argparse, json, hashlib"]
        times = in_turn(ours, lambda: run(bare, cwd=folder, env=own_environment()), rounds)
        yield Row(what="check: 318 packages", peer="python -c import", ours=times[0], theirs=times[1], bar=PYTHON_BAR)
        for peer, theirs in (("conda-lock", _conda_lock(folder)), ("uv lock --check", _uv(folder / "uv"))):
            try:
                theirs()
            except ProgramError as error:
                print(f"{peer}: not run: {str(error).splitlines()[-1]}", file=sys.stderr)
                continue
            times = in_turn(ours, theirs, 7)
            yield Row(what="check: 318 packages", peer=peer, ours=times[0], theirs=times[1], bar=PEER_BAR)


def _locked(folder: Path) -> Callable[[], object]:
    """Lock the eleven specs in `folder`, and return the check of that."""
    lines = "".join(f"  - {one}\n" for one in ELEVEN)
    (folder / "environment.yml").write_text(f"channels:\n  - conda-forge\ndependencies:\n{lines}")
    program = [sys.executable, "-m", "envbuild", "lock"]
    env = own_environment(ENVBUILD_CACHE_DIR=str(folder / "cache"))
    with served(SNAPSHOT) as url:
        run([*program, "--platform", "linux-64", "--mirror", f"conda-forge={url}"], cwd=folder, env=env)
    return lambda: run([*program, "--check", "environment.yml"], cwd=folder, env=env)


def _conda_lock(folder: Path) -> Callable[[], object]:
    argv = [sys.executable, "-m", "conda_lock", "lock", "--check-input-hash", "-f", "environment.yml", "-p", "linux-64"]
    return lambda: run([*argv, "--lockfile", "conda-lock.yml"], cwd=folder, env=own_environment())


def _uv(folder: Path) -> Callable[[], object]:
    folder.mkdir()
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    names = ", ".join(f'"{one}"' for one in NAMES[:UV_REQUIREMENTS])
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "many"\nversion = "1"\nrequires-python = "=={minor}.*"\ndependencies = [{names}]\n'
    )
    argv = [uv.find_uv_bin(), "lock", "--quiet", "--no-config", "--no-python-downloads", "--python", sys.executable]
    env = clean_environment(own_environment(UV_CACHE_DIR=str(folder / "cache")))

    def check() -> None:
        if not (folder / "uv.lock").is_file():
            run(argv, cwd=folder, env=env)
        run([*argv, "--check"], cwd=folder, env=env)

    return check

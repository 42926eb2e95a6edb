"""The conda part of `benchmarks.lock`: the whole `envbuild lock` process against a script that only solves with rattler.

Both sides are asked for the same packages, over the same loopback channel, with their own repodata caches. The base is written
with its digest, so that no registry is asked: the script asks none either.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lock_channel import SNAPSHOT, amplified, own_environment, served
from benchmarks.timing import Row, in_turn, run
from envbuild.programs import find

BAR = 1.3
SIX = ("python=3.11", "numpy", "pandas", "scikit-learn", "matplotlib", "requests")
ELEVEN = (*SIX, "scipy", "dask", "jupyterlab", "flask", "sqlalchemy")
LINUX = ("linux-64",)
BOTH = ("linux-64", "osx-arm64")
QUESTIONS = ((SIX, LINUX), (ELEVEN, LINUX), (SIX, BOTH))
"""The snapshot has no answer to the eleven specs on a second platform."""

BASE = f"ubuntu:22.04@sha256:{'ab' * 32}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One question to one channel, with a folder for what both sides leave."""

    folder: Path
    channel: str
    specs: tuple[str, ...]
    platforms: tuple[str, ...]

    def prepare(self) -> None:
        quoted = ", ".join(f'"{one}"' for one in self.specs)
        platforms = ", ".join(f'"{one}"' for one in self.platforms)
        (self.folder / "pyproject.toml").write_text(
            f'[tool.envbuild]\nbase = "{BASE}"\nchannels = ["conda-forge"]\n'
            f"platforms = [{platforms}]\ndependencies = [{quoted}]\n"
        )

    def forget(self) -> None:
        """Remove our answer; the script leaves none."""
        (self.folder / "conda-lock.yml").unlink(missing_ok=True)

    def forget_all(self) -> None:
        """Remove our answer and both repodata caches; the hashes of our installers come from the network and stay."""
        self.forget()
        for cache in ("ours/repodata", "theirs"):
            shutil.rmtree(self.folder / "cache" / cache, ignore_errors=True)

    def ours(self) -> None:
        argv = [sys.executable, "-m", "envbuild", "lock", "--quiet", "--mirror", f"conda-forge={self.channel}"]
        run(argv, cwd=self.folder, env=own_environment(ENVBUILD_CACHE_DIR=str(self.folder / "cache" / "ours")))

    def theirs(self) -> str:
        script = str(Path(__file__).with_name("lock_bare.py"))
        argv = [sys.executable, script, self.channel, str(self.folder / "cache" / "theirs"), ",".join(self.platforms)]
        return run([*argv, *self.specs], cwd=self.folder, env=own_environment()).stdout

    def agreement(self) -> Mapping[str, object]:
        """Return how many packages both sides lock, and whether they are the same ones."""
        locked = re.findall(r"^ +url: (\S+)$", (self.folder / "conda-lock.yml").read_text(), re.MULTILINE)
        solved = self.theirs().split()
        return {"packages": len(solved), "same": sorted(set(locked) & set(solved)) == sorted(set(solved))}


def measure(*, full: bool) -> Iterator[Row]:
    """Yield the rows of the snapshot and of its amplification, plain and sharded: warm, and cold for the largest question."""
    if not SNAPSHOT.is_dir():
        print(f"skipped: {SNAPSHOT} is not there", file=sys.stderr)
        return
    if not any(map(find, ("conda", "mamba", "micromamba"))):
        print("conda-lock: not run (it needs a conda, mamba or micromamba, and there is none here)", file=sys.stderr)
    channels = {
        "snapshot": SNAPSHOT,
        "324,000 plain": amplified(sharded=False),
        "324,000 sharded": amplified(sharded=True),
    }
    with ExitStack() as stack:
        for name, folder in channels.items():
            url = stack.enter_context(served(folder))
            for specs, platforms in QUESTIONS:
                place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="envbuild-bench-")))
                yield from _rows(name, Bench(folder=place, channel=url, specs=specs, platforms=platforms), full=full)


def _rows(name: str, bench: Bench, *, full: bool) -> Iterator[Row]:
    bench.prepare()
    bench.ours()
    what = f"conda: {name}, {len(bench.specs)} specs, {len(bench.platforms)} platforms"
    notes = bench.agreement()
    ours, theirs = in_turn(bench.ours, bench.theirs, 11 if full else 5, before=bench.forget)
    yield Row(what=f"{what}, warm", peer="rattler alone", ours=ours, theirs=theirs, bar=BAR, notes=notes)
    ours, theirs = in_turn(bench.ours, bench.theirs, 5 if full else 3, before=bench.forget_all)
    yield Row(what=f"{what}, cold", peer="rattler alone", ours=ours, theirs=theirs, bar=BAR)

"""The growth part of `benchmarks.lock`: what more environments in one file, and more platforms, cost.

The peer of each row is the smallest question, as often as the row is larger: a ratio of 1 would be linear.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.lock_channel import SNAPSHOT, own_environment, served
from benchmarks.timing import Row, run, seconds

BASE = f"ubuntu:22.04@sha256:{'ab' * 32}"
PACKAGES = ("numpy", "pandas", "scikit-learn", "requests", "scipy")
PLATFORMS = ("linux-64", "osx-arm64", "win-64", "osx-64")
ENVIRONMENTS = (1, 10, 100)
BAR = 0.9


def definition(count: int, platforms: Sequence[str]) -> str:
    """Return a pyproject.toml of `count` environments, no two of them alike."""
    named = ", ".join(f'"{one}"' for one in platforms)
    head = f'[tool.envbuild]\nbase = "{BASE}"\nchannels = ["conda-forge"]\nplatforms = [{named}]\n'
    return head + "".join(_environment(number) for number in range(count))


def _environment(number: int) -> str:
    chosen = [name for at, name in enumerate(PACKAGES) if (number >> at) & 1 or at == number % len(PACKAGES)]
    quoted = ", ".join(f'"{one}"' for one in ("python=3.11", *chosen))
    return f'\n[tool.envbuild.environments.env-{number}]\nvariables = {{ NUMBER = "{number}" }}\ndependencies = [{quoted}]\n'


def measure(*, full: bool) -> Iterator[Row]:
    """Yield a row for each number of environments and each number of platforms."""
    if not SNAPSHOT.is_dir():
        print(f"skipped: {SNAPSHOT} is not there", file=sys.stderr)
        return
    with served(SNAPSHOT) as url:
        one = _times(1, PLATFORMS[:1], url, 7 if full else 5)
        for count in ENVIRONMENTS[1:]:
            ours = _times(count, PLATFORMS[:1], url, 3 if count > 10 and not full else 5)
            yield Row(
                what=f"growth: {count} environments, 1 platform",
                peer=f"{count} times one",
                ours=ours,
                theirs=[time * count for time in one],
                bar=BAR,
            )
        for count in range(2, len(PLATFORMS) + 1):
            ours = _times(1, PLATFORMS[:count], url, 7 if full else 5)
            yield Row(
                what=f"growth: 1 environment, {count} platforms",
                peer=f"{count} times one",
                ours=ours,
                theirs=[time * count for time in one],
                bar=BAR,
            )
        ours = _times(10, PLATFORMS, url, 5 if full else 3)
        yield Row(
            what="growth: 10 environments, 4 platforms",
            peer="40 times one",
            ours=ours,
            theirs=[time * 40 for time in one],
            bar=BAR,
        )


def _times(count: int, platforms: Sequence[str], url: str, rounds: int) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="envbuild-bench-") as name:
        folder = Path(name)
        (folder / "pyproject.toml").write_text(definition(count, platforms))
        argv = [sys.executable, "-m", "envbuild", "lock", "--all", "--quiet", "--mirror", f"conda-forge={url}"]
        env = own_environment()

        def lock() -> None:
            run(argv, cwd=folder, env=env)

        def forget() -> None:
            for path in folder.glob("conda-lock*.yml"):
                path.unlink()

        lock()
        if len(list(folder.glob("conda-lock*.yml"))) != count:
            raise RuntimeError(f"{count} locks were wanted")
        found = []
        for _ in range(rounds):
            forget()
            found.append(seconds(lock))
        return found

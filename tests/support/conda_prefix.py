"""Solve and install from a test channel with rattler, to see that the channel's packages are good."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from envbuild import programs
from tests.support import debian
from tests.support.channel import Channel
from tests.support.conda_python import SUBDIRS

GLIBC = "2.36"  # Debian 12's


def install(channel: Channel, specs: Sequence[str], target: Path, *, prefix: str = "") -> None:
    """Install `specs` from `channel` into the folder `target`, to be used at `prefix` (default: `target` itself).

    It runs in a process of its own: rattler may crash when the interpreter ends.

    Raises:
        ProgramError: no solution, or a package that rattler refuses.
    """
    with tempfile.TemporaryDirectory(prefix="envbuild-tests-") as cache:
        question = {
            "channel": channel.url,
            "specs": list(specs),
            "platform": SUBDIRS[debian.architecture()],
            "target": str(target),
            "prefix": prefix or str(target),
            "cache": cache,
        }
        programs.run([sys.executable, "-m", "tests.support.conda_prefix", json.dumps(question)], cwd=_root())


def _root() -> Path:
    return Path(__file__).parents[2]


async def _install(question: dict[str, str]) -> None:
    import rattler

    platform = rattler.Platform(question["platform"])
    glibc = rattler.GenericVirtualPackage(
        rattler.PackageName("__glibc"), rattler.Version(GLIBC), rattler.BuildString("0")
    )
    records = await rattler.solve(
        [question["channel"]],
        [rattler.MatchSpec(spec, strict=False) for spec in question["specs"]],
        gateway=rattler.Gateway(cache_dir=Path(question["cache"]) / "repodata"),
        platforms=[platform, rattler.Platform("noarch")],
        virtual_packages=[glibc],
    )
    await rattler.install(
        records,
        question["target"],
        cache_dir=Path(question["cache"]) / "packages",
        alternative_target_prefix=question["prefix"],
        platform=platform,
    )


if __name__ == "__main__":
    import asyncio
    import os

    asyncio.run(_install(json.loads(sys.argv[1])))
    sys.stdout.flush()
    os._exit(0)

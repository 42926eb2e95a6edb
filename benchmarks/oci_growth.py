"""Does assembling grow with the bytes, and with nothing else? `python -m benchmarks.oci_growth [--check] [--json]`.

A lock of 300 packages, whose wheels weigh 150, 300 and 600 MB together: time and the most memory that the
process had must grow no faster than they do (a tenth of time is for noise), and memory must stay below 500 MB. Needs no engine.
Everything lies in a file system in memory where there is one with room: a disk takes what is left to write at its own pace, which
grows faster than the bytes once its cache is full, and shares it with whoever else writes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.timing import Row, report, run
from tests.oci.making import MERGED_USR, layout, on_disk

PACKAGES, ROUNDS, LIMIT = 300, 5, 500
STEPS = (1, 2, 4)
_ROOT = Path(__file__).parents[1]
_IN_MEMORY, _ROOM = Path("/dev/shm"), 3 << 30


def definition(folder: Path, times: int) -> Path:
    """Write a base and `PACKAGES` wheels of `times` half megabytes to `folder`."""
    layout(folder / "base", MERGED_USR)
    (folder / "python.json").write_text(json.dumps({"version": "3.11.2", "path": "/usr/bin/python3.11"}))
    chance = random.Random(times)
    for number in range(PACKAGES):
        files: dict[str, object] = {f"p{number}/data{part}.bin": chance.randbytes(1 << 18) for part in range(2 * times)}
        on_disk(folder / "wheels", f"p{number}", "1.0", files=files)
    return folder


def assemble(folder: Path) -> tuple[float, float]:
    """Return the seconds and the MB of memory that it takes to assemble the image of `folder` with an empty cache."""
    cache = folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    env = {**os.environ, "HOME": str(folder), "ENVBUILD_CACHE_DIR": str(cache)}
    begin = time.perf_counter()
    said = run([sys.executable, "-m", "tests.oci.build", str(folder), ""], cwd=_ROOT, env=env).stdout
    return time.perf_counter() - begin, json.loads(said)["memory"] * 1.048576


def measure(folder: Path) -> list[Row]:
    """Assemble each size in turn, `ROUNDS` times, and return the rows."""
    folders = {times: definition(folder / str(times), times) for times in STEPS}
    found: dict[int, list[tuple[float, float]]] = {times: [] for times in STEPS}
    for _ in range(ROUNDS):
        for times, place in folders.items():
            found[times].append(assemble(place))
    seconds = {times: [one for one, _ in pairs] for times, pairs in found.items()}
    memory = {times: [one for _, one in pairs] for times, pairs in found.items()}
    rows = [
        Row(
            what=f"time for {times} times the bytes",
            peer=f"{times} times the time",
            ours=seconds[times],
            theirs=[times * one for one in seconds[1]],
            bar=1.1,
        )
        for times in STEPS[1:]
    ]
    rows += [
        Row(
            what=f"memory (MB), {150 * times} MB of wheels",
            peer=f"{LIMIT} MB",
            ours=memory[times],
            theirs=[LIMIT],
            bar=1,
        )
        for times in STEPS
    ]
    four = [4 * one for one in memory[1]]
    rows += [Row(what="memory for 4 times the bytes", peer="4 times the memory", ours=memory[4], theirs=four, bar=1)]
    return rows


def place() -> str:
    """Return the folder to work in: in memory where there is room for all wheels and a cache, else on disk (then it says so)."""
    if _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > _ROOM:
        return str(_IN_MEMORY)
    print("no room in memory: the times are the disk's too", file=sys.stderr)
    return "/var/tmp"


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.oci_growth", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="envbuild-bench-", dir=place()) as folder:
        rows = measure(Path(folder))
    return report(rows, as_json=arguments.json, check=arguments.check)


if __name__ == "__main__":
    sys.exit(main())

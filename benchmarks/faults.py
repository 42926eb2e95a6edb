"""What a fault costs: `python -m benchmarks.faults` injects each, checks what must hold, and prints fault, tried, survived, lost.

`--kills N` SIGKILLs at random instants (300), `--times N` tries of every other fault (3). Exit code 1 where anything was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from envbuild import programs
from envbuild.core.errors import EnvbuildError
from tests.faults.faults import DISK_FAULTS, FAULTS, may_mount
from tests.faults.killing import LostError, Row

ROOT = Path(__file__).parents[1]


def kills(number: int, seed: int) -> list[Row]:
    """Kill `number` times, in a process without threads."""
    argv = [sys.executable, "-m", "tests.faults.killing", str(number), str(seed)]
    return [Row(**row) for row in json.loads(programs.run(argv, cwd=ROOT).stdout)]


def inject(times: int) -> list[Row]:
    """Inject every fault that this machine allows `times` times."""
    faults = {**FAULTS, **(DISK_FAULTS if may_mount() else {})}
    rows = [Row(fault=name) for name in faults]
    for row in rows:
        for _ in range(times):
            _try(row, faults[row.fault])
    return rows


def _try(row: Row, fault: object) -> None:
    row.tried += 1
    with tempfile.TemporaryDirectory(prefix="envbuild-fault-", ignore_cleanup_errors=True) as folder:
        os.environ["ENVBUILD_CACHE_DIR"] = str(Path(folder, "cache"))
        try:
            fault(Path(folder))  # type: ignore[operator]
            row.survived += 1
        except (LostError, EnvbuildError, OSError, ValueError) as error:
            row.lost += 1
            row.why = row.why or str(error)


def table(rows: list[Row]) -> str:
    """Return the table as Markdown."""
    lines = ["| fault | tried | survived | lost |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {row.fault} | {row.tried} | {row.survived} | {row.lost} |" for row in rows]
    total = [sum(getattr(row, name) for row in rows) for name in ("tried", "survived", "lost")]
    return "\n".join([*lines, f"| **all** | {total[0]} | {total[1]} | {total[2]} |"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--seed", type=int, default=20261121)
    said = parser.parse_args()
    rows = [*kills(said.kills, said.seed), *inject(said.times)]
    print(table(rows))
    for row in rows:
        if row.lost:
            print(f"\n{row.fault}: {row.why}")
    killed = sum(row.killed for row in rows)
    print(f"\n{killed} of the {said.kills} kills came before the work had ended; seed {said.seed}")
    return int(any(row.lost for row in rows))


if __name__ == "__main__":
    sys.exit(main())

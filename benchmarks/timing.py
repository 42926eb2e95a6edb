"""Two sides, timed in turn in one run; a row of the table is a ratio of medians and the bar that it is held against."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from envbuild import programs

_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison. Times are seconds; `bar` is the most that ours / peer may be, 0 for none."""

    what: str
    peer: str
    ours: Sequence[float]
    theirs: Sequence[float]
    bar: float = 0.0
    notes: Mapping[str, object] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def missed(self) -> str:
        """What is wrong, in words; empty where the bar is met."""
        if not self.bar or self.ratio <= self.bar:
            return ""
        return f"{self.what}: {self.ratio:.2f} of {self.peer}, at most {self.bar:.2f} wanted"

    def to_dict(self) -> dict[str, object]:
        return {
            "what": self.what,
            "peer": self.peer,
            "ours": [round(one, 3) for one in self.ours],
            "theirs": [round(one, 3) for one in self.theirs],
            "ratio": round(self.ratio, 3),
            "bar": self.bar or None,
            **self.notes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many of `wanted` things hold; the bar is all of them."""

    what: str
    found: int
    wanted: int
    notes: Mapping[str, object] = field(default_factory=dict)

    @property
    def missed(self) -> str:
        """What is wrong, in words; empty where the bar is met."""
        return "" if self.found >= self.wanted else f"{self.what}: {self.found}, at least {self.wanted} wanted"

    def to_dict(self) -> dict[str, object]:
        return {"what": self.what, "found": self.found, "wanted": self.wanted, **self.notes}


def seconds(action: Callable[[], object]) -> float:
    """Return how long `action` takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def in_turn(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    rounds: int,
    *,
    before: Callable[[], object] = lambda: None,
) -> tuple[list[float], list[float]]:
    """Time both sides `rounds` times, now one first and now the other; `before` (not timed) prepares each single run."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        sides = [(ours, times[0]), (theirs, times[1])]
        for action, found in sides if number % 2 == 0 else reversed(sides):
            before()
            found.append(seconds(action))
    return times


def run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float | None = None) -> programs.Completed:
    """Run `argv`, for `timeout` seconds at most; what it printed is in the error where it fails.

    Bytecode may be written, as everywhere: with `PYTHONDONTWRITEBYTECODE` a Python program would be compiled at each start.
    """
    return programs.run(
        argv, cwd=cwd, env={name: value for name, value in env.items() if name != _NO_BYTECODE}, timeout=timeout
    )


def report(rows: Sequence[Row | Count], *, as_json: bool, check: bool) -> int:
    """Print the table (or JSON), name each missed bar on stderr, and return the exit code."""
    if as_json:
        print(json.dumps({"rows": [row.to_dict() for row in rows]}))
    else:
        print(f"{'what':<52} {'ours':>8} {'peer':>8} {'ratio':>7} {'bar':>6}  peer")
        for row in rows:
            print(line(row))
    misses = [row.missed for row in rows if row.missed]
    for miss in misses:
        print(f"missed: {miss}", file=sys.stderr)
    return 1 if check and misses else 0


def line(row: Row | Count) -> str:
    """Return `row` as a line of the table."""
    notes = "  ".join(f"{name}={value}" for name, value in row.notes.items())
    if isinstance(row, Count):
        return f"{row.what:<52} {row.found:>8} {row.wanted:>8} {'':>7} {'all':>6}  {notes}".rstrip()
    mine, other = statistics.median(row.ours), statistics.median(row.theirs)
    bar = f"{row.bar:.2f}" if row.bar else ""
    return f"{row.what:<52} {mine:>8.3f} {other:>8.3f} {row.ratio:>7.3f} {bar:>6}  {row.peer}  {notes}".rstrip()

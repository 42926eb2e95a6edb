"""The long run of tests/fuzz: `python -m benchmarks.fuzz --cases N [--seconds S] [--target NAME]`.

Each case has two seconds and each process two gibibytes; what raises, hangs or grows is printed with its input in hexadecimal,
to become a test. `--atheris` lets libFuzzer choose the inputs by coverage (one target; takes the package `atheris`).
The table says how many cases ran, how many were accepted, and how many a second. Exit code 1 where anything was found.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

if "--atheris" in sys.argv:
    import atheris  # type: ignore[import-not-found]

    # only ours: to instrument all that is imported takes longer than a run
    watched = atheris.instrument_imports(include=["envbuild"])
else:
    watched = nullcontext()
with watched:
    from tests.fuzz.mutate import mutated
    from tests.fuzz.seeds import WORDS, seeds
    from tests.fuzz.targets import TARGETS, run, void

SECONDS = 2.0
MEMORY = 2 << 30


class TooSlowError(Exception):
    """A case took longer than it may."""


@dataclass(slots=True, kw_only=True)
class Row:
    """One target's line."""

    target: str
    cases: int = 0
    accepted: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    found: int = 0


@contextmanager
def bounds() -> Iterator[None]:
    """Bound memory for the process, and let the timer raise."""

    def late(_number: int, _frame: object) -> None:
        raise TooSlowError

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    before = {number: signal.signal(number, late) for number in (signal.SIGPROF, signal.SIGALRM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def case(row: Row, data: bytes) -> str:
    """Run one case; return what was wrong, or an empty text."""
    began = time.process_time()
    # seconds of work, so that a busy machine finds nothing; and of waiting, so that nothing waits for ever
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, SECONDS * 15)
    try:
        row.accepted += run(row.target, data)
        wrong = ""
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        wrong = f"{type(error).__name__}: {str(error)[:200]}"
    finally:
        for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
            signal.setitimer(timer, 0)
    row.cases += 1
    row.slowest = max(row.slowest, time.process_time() - began)
    return wrong


def fuzz(name: str, cases: int, until: float, seed: int) -> Row:
    """Run up to `cases` cases of one target, no longer than `until`."""
    row, began = Row(target=name), time.perf_counter()
    chance = random.Random(f"{seed} {name}")
    usual, seen = seeds(name), set[str]()
    while row.cases < cases and time.perf_counter() < until:
        data = mutated(usual, WORDS, chance)
        if wrong := case(row, data):
            row.found += 1
            kind = hashlib.sha256(wrong.partition(":")[0].encode()).hexdigest()
            if kind not in seen:
                seen.add(kind)
                print(f"{name}: {wrong}\n  {data[:2000].hex()}", flush=True)
    row.seconds = time.perf_counter() - began
    return row


def table(rows: list[Row]) -> str:
    """Return the table as Markdown."""
    lines = ["| target | cases | accepted | slowest | found |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {one.target} | {one.cases:,} | {one.accepted:,} | {one.slowest * 1000:.0f} ms | {one.found} |"
        for one in rows
    ]
    total, found, seconds = (sum(getattr(one, name) for one in rows) for name in ("cases", "found", "seconds"))
    return "\n".join([*lines, f"| **all** | {total:,} | | {total / max(seconds, 1e-9):,.0f} a second | {found} |"])


def by_coverage(name: str, cases: int, seconds: float) -> None:
    """Let libFuzzer choose the inputs of one target from its usual ones; it ends the process."""
    with tempfile.TemporaryDirectory(prefix="envbuild-corpus-") as folder:
        for number, seed in enumerate(seeds(name)):
            Path(folder, str(number)).write_bytes(seed)
        limits = ["-max_len=4000", "-timeout=5", "-rss_limit_mb=2048", f"-max_total_time={int(seconds)}"]
        atheris.Setup([sys.argv[0], f"-runs={cases}", *limits, folder], lambda data: void(run(name, data)))
        atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="in all, shared among the targets")
    parser.add_argument("--seconds", type=float, default=3600.0, help="at most, in all")
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--target", action="append", choices=TARGETS, default=[])
    parser.add_argument("--atheris", action="store_true")
    said = parser.parse_args()
    names = said.target or list(TARGETS)
    if said.atheris:
        by_coverage(names[0], said.cases, said.seconds)
    with bounds():
        share = said.seconds / len(names)
        rows = [fuzz(name, said.cases // len(names), time.perf_counter() + share, said.seed) for name in names]
    print(table(rows))
    return int(any(row.found for row in rows))


if __name__ == "__main__":
    sys.exit(main())

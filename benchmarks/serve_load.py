"""Ten minutes at saturation: `python -m benchmarks.serve --part load --minutes 10`. No error, and memory that does not grow."""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serve_peers import PEERS, Running
from benchmarks.serve_wrk import Load, measure

CONNECTIONS = 64
SAMPLE_S = 5.0
GROWTH = 1.10
"""How many times the memory of the second quarter the last quarter may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endurance:
    """What was seen: the load, the memory in bytes of server and workers every few seconds, and the processes at both ends."""

    load: Load
    memory: tuple[int, ...]
    workers: tuple[frozenset[int], frozenset[int]]
    seconds: int

    @property
    def growth(self) -> float:
        """The median of the last quarter against that of the second: the first warms up."""
        quarter = max(1, len(self.memory) // 4)
        return statistics.median(self.memory[-quarter:]) / statistics.median(self.memory[quarter : 2 * quarter])

    def problems(self) -> list[str]:
        """Return what is wrong."""
        found = []
        if self.load.errors:
            found.append(f"{self.load.errors} errors")
        if self.growth > GROWTH:
            found.append(f"memory grew {self.growth:.2f} times")
        if self.workers[0] != self.workers[1]:
            found.append("a worker was lost")
        return found

    def __str__(self) -> str:
        low, high = min(self.memory) / 1e6, max(self.memory) / 1e6
        return (
            f"{self.seconds} s at {CONNECTIONS} connections: {self.load.rate * self.seconds:,.0f} requests ({self.load.rate:,.0f}/s), "
            f"{self.load.errors} errors, p50 {self.load.p50_ms:.1f} ms, p99 {self.load.p99_ms:.1f} ms; "
            f"memory {low:.0f} to {high:.0f} MB, last quarter {self.growth:.3f} times the second; "
            f"{len(self.workers[1])} processes, {'the same' if self.workers[0] == self.workers[1] else 'others'} at the end"
        )


def endure(minutes: float, workers: int = 2) -> Endurance:
    """Ask our server as fast as it answers for so many minutes."""
    peer, seconds = PEERS["envbuild"], max(20, round(minutes * 60))
    peer.prepare()
    with tempfile.TemporaryDirectory() as folder, peer.start(Path(folder), "trivial", workers) as running:
        before, found = _children(running.pid), []
        asking = threading.Thread(
            target=lambda: found.append(measure(running.url, peer.body("trivial"), peer.headers, CONNECTIONS, seconds))
        )
        asking.start()
        memory = _watch(running, asking)
        after = _children(running.pid)
    return Endurance(load=found[0], memory=tuple(memory), workers=(before, after), seconds=seconds)


def _watch(running: Running, asking: threading.Thread) -> list[int]:
    memory = []
    while asking.is_alive():
        memory.append(running.memory_bytes())
        asking.join(SAMPLE_S)
    return memory


def _children(pid: int) -> frozenset[int]:
    end = time.monotonic() + 5
    while True:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        if text.strip() or time.monotonic() > end:
            return frozenset(map(int, text.split()))
        os.sched_yield()

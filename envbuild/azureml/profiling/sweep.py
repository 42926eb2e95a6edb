"""Which limits of CPU and memory a service needs: the limits that are tried, and the advice that follows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

CPUS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.5)
MEMORY = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""What is tried, in CPUs and in GB: within the ranges that Azure's profile accepts, 0.1 to 3.5 and 0.1 to 15."""

TOLERANCE = 1.1
"""A p95 within this factor of the best one counts as equally good."""

NOISE = 0.001
"""Seconds by which two measurements of the same thing differ anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """How the service did with `cpu` CPUs and `memory` GB. Latencies and `seconds` (of all requests) are in seconds.

    `max_cpu` (CPUs) and `max_memory` (GB) are the most that was seen in use. `error` says why it could not be measured.
    """

    cpu: float
    memory: float
    latencies: tuple[float, ...] = ()
    queries: int = 0
    seconds: float = 0.0
    max_cpu: float = 0.0
    max_memory: float = 0.0
    error: str = ""

    @property
    def works(self) -> bool:
        """Whether every request was answered well."""
        return not self.error and self.queries > 0 and len(self.latencies) == self.queries

    @property
    def p95(self) -> float:
        """The 95th percentile of the latencies."""
        return percentile(self.latencies, 95)


Measure = Callable[[float, float], Measurement]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of all values do not exceed (nearest rank); 0 of none."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)] if ordered else 0.0


def sweep(measure: Measure, cpu: float, memory: float) -> list[Measurement]:
    """Measure at `cpu` CPUs and `memory` GB, then with less memory, then with less CPU, each as long as it stays as good.

    The first measurement tells how much memory is used, so that the limits far above and far below it are left out: the
    next above is tried, and those above that until one is as good; then the next below.
    """
    first = measure(cpu, memory)
    found = [first]
    if not first.works:
        return found

    def tried(with_cpu: float, with_memory: float) -> bool:
        one = measure(with_cpu, with_memory)
        if one.works and not good_enough(one, [*found, one]):
            # what else the machine does makes a measurement slower, never faster
            again = measure(with_cpu, with_memory)
            one = min(one, again, key=lambda each: each.p95) if again.works else one
        found.append(one)
        return good_enough(one, found)

    smaller = [one for one in MEMORY if one < memory]
    above = [one for one in smaller if one >= first.max_memory]
    below = [one for one in smaller if one < first.max_memory]
    chosen = next((one for one in above if tried(cpu, one)), memory)
    if below and chosen in (*above[:1], memory) and tried(cpu, below[-1]):
        chosen = below[-1]
    for one in reversed([one for one in CPUS if one < cpu]):
        if not tried(one, chosen):
            break
    return found


def good_enough(one: Measurement, found: Sequence[Measurement]) -> bool:
    """Tell whether `one` worked and its p95 is within the tolerance of the best of `found`."""
    working = [each.p95 for each in found if each.works]
    return one.works and one.p95 <= max(min(working) * TOLERANCE, min(working) + NOISE)


def recommend(found: Sequence[Measurement]) -> Measurement | None:
    """Return the measurement with the least CPU, then the least memory, that is as good as the best; None if none worked."""
    good = [one for one in found if good_enough(one, found)] if any(one.works for one in found) else []
    return min(good, key=lambda one: (one.cpu, one.memory), default=None)

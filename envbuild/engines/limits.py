"""Limits of CPU and memory for a process of this machine and all that it starts, where no container engine sets them.

Memory is `RLIMIT_DATA` of each process: an allocation beyond it fails, as it would be killed in a container. Whole CPUs
are an affinity mask. A part of a CPU is a quota that a thread of ours keeps, as the kernel's CFS bandwidth control does:
a group that used its share of a period is stopped (SIGSTOP) until the next one.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from envbuild.core.errors import EngineError
from envbuild.engines.protocol import Usage

PERIOD = 0.1
"""Seconds in which a group may use its quota; the kernel's default is the same."""

_LOOK_EVERY = 0.004

_WRAPPER = """
import os, resource, sys
memory, cpus = int(sys.argv[1]), int(sys.argv[2])
if memory:
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
if cpus:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cpus])
os.execv(sys.argv[3], sys.argv[3:])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`cpus` may be a part of one; `memory` is in bytes; 0 is no limit."""

    cpus: float = 0.0
    memory: int = 0


def limiting_argv(limits: Limits) -> tuple[str, ...]:
    """Return what stands before a program (its path absolute) so that it starts within `limits`.

    Raises:
        EngineError: this is not Linux.
    """
    if not sys.platform.startswith("linux"):
        raise EngineError(
            "limits for a process need Linux", hint="use a container engine, which has them on every machine"
        )
    return (sys.executable, "-I", "-c", _WRAPPER, str(limits.memory), str(math.ceil(limits.cpus)))


def group_usage(group: int) -> Usage:
    """Return what the living processes of process group `group` used; memory is the sum of their peaks."""
    return _usage(_members(group))


def namespace_usage(pid: int) -> Usage:
    """Return what the living processes in the PID namespace of `pid` (a container's first process) used."""
    found = []
    with contextlib.suppress(OSError):
        namespace = os.readlink(f"/proc/{pid}/ns/pid")  # noqa: PTH115 - it is no path
        for one in _processes():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{one}/ns/pid") == namespace:  # noqa: PTH115
                    found.append(one)
    return _usage(found)


def _usage(members: list[int]) -> Usage:
    cpu, memory = 0.0, 0
    for pid in members:
        with contextlib.suppress(OSError):
            cpu += _cpu_seconds(pid)
            memory += _peak(pid)
    return Usage(cpu_seconds=cpu, memory=memory)


@contextlib.contextmanager
def cpu_quota(group: int, cpus: float) -> Iterator[None]:
    """Keep process group `group` to `cpus` while the block runs; whole CPUs need no quota, an affinity holds them."""
    if not cpus or cpus == int(cpus):
        yield
        return
    ended = threading.Event()
    keeper = threading.Thread(target=_keep, args=(group, cpus, ended), name=f"quota-{group}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        _tell(group, signal.SIGCONT)


def _keep(group: int, cpus: float, ended: threading.Event) -> None:
    members, used, debt = _members(group), _group_seconds(_members(group)), 0.0
    while not ended.is_set():
        allowed, until, stopped = cpus * PERIOD - debt, time.monotonic() + PERIOD, False
        while (left := until - time.monotonic()) > 0 and not ended.is_set():
            spent = _group_seconds(members) - used
            if spent >= allowed and not stopped:
                stopped = _tell(group, signal.SIGSTOP)
            ended.wait(left if stopped else min(left, _LOOK_EVERY))
        if stopped:
            _tell(group, signal.SIGCONT)
        # what was used too much in one period is missing in the next; what was left over is lost, as the kernel's is
        debt = max(0.0, _group_seconds(members) - used - allowed)
        members = _members(group)
        used = _group_seconds(members)


def _tell(group: int, number: signal.Signals) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


def _members(group: int) -> list[int]:
    found = []
    for pid in _processes():
        with contextlib.suppress(OSError):
            if os.getpgid(pid) == group:
                found.append(pid)
    return found


def _processes() -> list[int]:
    # a Path for each process would cost more than the look
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def _group_seconds(members: list[int]) -> float:
    total = 0.0
    for pid in members:
        with contextlib.suppress(OSError):
            total += _cpu_seconds(pid)
    return total


def _cpu_seconds(pid: int) -> float:
    # the number of a process's CPU clock, as clock_getcpuclockid(3) makes it; exact to the nanosecond
    return time.clock_gettime((~pid << 3) | 2)


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0

"""Start the service again when a file changes: for development."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Callable

from .logs import LOGGER

POLL_S = 0.5
SUFFIXES = frozenset((".py", ".json", ".yml", ".yaml", ".pkl", ".joblib", ".onnx"))
SKIPPED = frozenset(("__pycache__", "node_modules"))


def serve_with_reload(serve: Callable[[], int], folder: Path) -> int:
    """Run `serve` in a child process, again after each change below `folder`; return the exit code when stopped.

    A service that cannot start is not the end: the next change may mend it.
    """
    stops: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda given, _frame: stops.append(given))
    seen = snapshot(folder)
    child = _start(serve)
    while not stops:
        time.sleep(POLL_S)
        now = snapshot(folder)
        if now != seen:
            names = sorted({path.name for path, _ in now.items() ^ seen.items()})
            LOGGER.info("changed: %s; starting again", ", ".join(names[:5]))
            seen = now
            _stop(child)
            child = _start(serve)
    return _stop(child)


def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return the time and size of every file of interest below a folder; hidden folders are left out."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in SKIPPED]
        for name in files:
            path = Path(place, name)
            if path.suffix in SUFFIXES:
                with contextlib.suppress(OSError):  # it is being replaced; the next look sees it
                    stat = path.stat()
                    found[path] = (stat.st_mtime_ns, stat.st_size)
    return found


def _start(serve: Callable[[], int]) -> int:
    """Return the process that serves."""
    pid = os.fork()
    if pid == 0:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os._exit(serve())
    return pid


def _stop(pid: int) -> int:
    """End a process that may have ended by itself; return its exit code."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return 0
    _, status = os.waitpid(pid, 0)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0

"""What has a life (a build, a run, a service): a record in the catalogue, a folder of its own, a log that others may read."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from envbuild.core.progress import Progress, Step
from envbuild.workspace.workspace import Workspace

FINAL = frozenset({"Succeeded", "Failed", "Canceled", "Completed"})


def now() -> str:
    """Return this moment as RFC 3339 in UTC."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_id(prefix: str) -> str:
    """Return an id that no other process makes: when, and a random end."""
    return f"{prefix}_{int(time.time())}_{secrets.token_hex(4)}"


class Record:
    """One record of `kind`; every change is written at once, so that another process sees it."""

    __slots__ = ("id", "kind", "workspace")

    def __init__(self, workspace: Workspace, kind: str, name: str) -> None:
        """Refer to the record `name`, which need not be there yet."""
        self.workspace, self.kind, self.id = workspace, kind, name

    @property
    def folder(self) -> Path:
        """The record's own folder in the workspace."""
        return self.workspace.folder / f"{self.kind}s" / self.id

    @property
    def values(self) -> dict[str, Any]:
        """What the record says now; `status` is Failed where the process that worked on it is gone."""
        found = self.workspace.catalogue.record(self.kind, self.id) or {}
        if found and found.get("status") not in FINAL and not _is_same(found.get("pid"), found.get("pid_begun")):
            found = {**found, "status": "Failed", "error": found.get("error") or "the process that worked on it ended"}
        return found

    def change(self, **values: Any) -> None:
        """Write `values` over those of the record; a `pid` with when its process began, as ids come again."""
        if "pid" in values:
            values["pid_begun"] = begun(values["pid"])
        self.workspace.catalogue.change_record(self.kind, self.id, values)

    def wait(self, *, show: Path | None = None) -> dict[str, Any]:
        """Wait until the record is final and return what it says; `show` is a log that is copied to stdout meanwhile."""
        follow = Follower(show) if show is not None else None
        while True:
            values = self.values
            if follow is not None:
                follow.show()
            if values.get("status") in FINAL or not values:
                return values
            time.sleep(0.05)


class Follower:
    """Copies what is added to a log to stdout."""

    def __init__(self, log: Path) -> None:
        """Start at the log's beginning."""
        self._log, self._at = log, 0

    def show(self) -> None:
        """Copy what came since the last time."""
        if not self._log.is_file():
            return
        with self._log.open("rb") as file:
            file.seek(self._at)
            sys.stdout.write(file.read().decode(errors="replace"))
            self._at = file.tell()
        sys.stdout.flush()


class LogProgress(Progress):
    """Progress as lines of a log."""

    def __init__(self, log: Path) -> None:
        """Append to `log`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log

    def line(self, text: str) -> None:
        """Write one line."""
        with self._log.open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")

    def note(self, text: str) -> None:
        """Write the note."""
        self.line(f"note: {text}")

    def started(self, step: Step) -> None:
        """Say that a step began."""
        self.line(step.title)

    def advanced(self, step: Step, amount: int, detail: str) -> None:
        """Say where a step is."""
        del step, amount
        if detail:
            self.line(f"  {detail}")

    def ended(self, step: Step, *, failed: bool) -> None:
        """Say how a step ended."""
        self.line(f"{'failed' if failed else 'done'}: {step.title}")


def guarded(record: Record, progress: LogProgress, work: Callable[[], dict[str, Any]], done: str) -> None:
    """Do `work` and write how it ended: its values with the status `done` unless they have one, or the error; nothing is raised."""
    from envbuild.core.errors import EnvbuildError

    try:
        values = work()
    except EnvbuildError as error:
        progress.line(f"error: {error}")
        record.change(status="Failed", error=str(error), ended=now())
    except BaseException as error:
        # whatever ends the work, nobody shall wait for it for ever
        import traceback

        progress.line(traceback.format_exc())
        record.change(status="Failed", error=f"a defect in envbuild: {error!r}", ended=now())
        raise
    else:
        record.change(**{"status": done, "ended": now(), **values})


def is_alive(pid: object) -> bool:
    """Whether the process `pid` runs; what is no number is taken for one that does."""
    if not isinstance(pid, int):
        return True
    with contextlib.suppress(ChildProcessError):
        # a child that ended answers to signals until somebody waits for it
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def begun(pid: object) -> str | None:
    """Return when the process `pid` began, in clock ticks since this machine's start, and which start that was; None where Linux does not say."""
    try:
        # the name, in parentheses, may hold anything; the 22nd field is the 20th behind it: proc_pid_stat(5)
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text(encoding='ascii').strip()} {fields[19]}"
    except (OSError, IndexError):
        return None


def _is_same(pid: object, then: object) -> bool:
    """Tell whether the process `pid` is there, and the one that began `then` (None: nobody knows)."""
    return is_alive(pid) and (then is None or not isinstance(pid, int) or begun(pid) in (then, None))

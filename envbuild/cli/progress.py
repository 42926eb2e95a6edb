"""Progress on stderr: live with rich on a terminal, one line a step elsewhere, nothing with `--quiet`."""

from __future__ import annotations

import sys
import time

from envbuild.core.progress import SILENT, Progress, Step


def progress_for(*, quiet: bool) -> Progress:
    """Return what shows progress here."""
    if quiet:
        return SILENT
    return LiveProgress() if sys.stderr.isatty() else LineProgress()


class LineProgress(Progress):
    """One line on stderr when a step ends, with the seconds that it took."""

    def __init__(self) -> None:
        """Start with no step under way."""
        self._started: dict[int, float] = {}

    def note(self, text: str) -> None:
        """Print the note."""
        print(f"note: {text}", file=sys.stderr, flush=True)

    def started(self, step: Step) -> None:
        """Remember when."""
        self._started[id(step)] = time.monotonic()

    def ended(self, step: Step, *, failed: bool) -> None:
        """Print what was done, and how long it took."""
        seconds = time.monotonic() - self._started.pop(id(step), time.monotonic())
        print(f"{'failed' if failed else 'done'}: {step.title} ({seconds:.1f} s)", file=sys.stderr, flush=True)


class LiveProgress(LineProgress):
    """A live line for each step under way, which becomes a plain line when it ends."""

    def __init__(self) -> None:
        """Open nothing yet: the first step does."""
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        super().__init__()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
        self._console = Console(stderr=True)
        self._live = RichProgress(*columns, TextColumn("{task.fields[detail]}"), console=self._console, transient=True)
        self._tasks: dict[int, int] = {}

    def note(self, text: str) -> None:
        """Print the note above the live lines."""
        self._console.print(f"note: {text}", markup=False, highlight=False)

    def started(self, step: Step) -> None:
        """Show a line for the step."""
        super().started(step)
        if not self._tasks:
            self._live.start()
        self._tasks[id(step)] = self._live.add_task(step.title.replace("[", r"\["), total=step.total, detail="")

    def advanced(self, step: Step, amount: int, detail: str) -> None:
        """Move the step's bar."""
        task = self._tasks.get(id(step))
        if task is not None:
            self._live.update(task, advance=amount, detail=detail[:60].replace("[", r"\["))  # type: ignore[arg-type]

    def ended(self, step: Step, *, failed: bool) -> None:
        """Take the step's line away and leave a plain one."""
        task = self._tasks.pop(id(step), None)
        if task is not None:
            self._live.remove_task(task)  # type: ignore[arg-type]
        if not self._tasks:
            self._live.stop()
        super().ended(step, failed=failed)

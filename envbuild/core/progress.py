"""What long work says while it runs. The core reports; the edge shows (or keeps quiet)."""

from __future__ import annotations

from types import TracebackType


class Step:
    """One piece of work under way; a context manager, so that it always ends."""

    def __init__(self, progress: Progress, title: str, total: int | None) -> None:
        """Do not call this; ask `Progress.step` for one."""
        self._progress = progress
        self.title = title
        self.total = total

    def __enter__(self) -> Step:
        self._progress.started(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.ended(self, failed=kind is not None)

    def advance(self, amount: int = 1, detail: str = "") -> None:
        """Say that `amount` more of `total` (packages, or bytes) is done."""
        self._progress.advanced(self, amount, detail)


class Progress:
    """Receives what happens. This one is silent; a front end overrides what it wants to show."""

    def step(self, title: str, total: int | None = None) -> Step:
        """Return a step to use with `with`; `total` is its size where it is known."""
        return Step(self, title, total)

    def note(self, text: str) -> None:
        """Say something that a person should know, though nothing failed."""

    def started(self, step: Step) -> None:
        """A step began."""

    def advanced(self, step: Step, amount: int, detail: str) -> None:
        """A step moved on."""

    def ended(self, step: Step, *, failed: bool) -> None:
        """A step ended."""


SILENT = Progress()

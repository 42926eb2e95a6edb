"""One piece of work beside another: what waits for a server while the solver computes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Background(Generic[Result]):
    """Work on a thread that never keeps the process from ending; `result` waits for it and raises what it raised."""

    def __init__(self, work: Callable[[], Result]) -> None:
        """Start `work`."""
        self._work = work
        self._value: list[Result] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the end, whatever it is."""
        self._thread.join()

    def result(self) -> Result:
        """Return what the work returned, or raise what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value[0]

    def _run(self) -> None:
        try:
            self._value.append(self._work())
        except BaseException as error:  # noqa: BLE001  (it is raised again where the result is wanted)
            self._error = error

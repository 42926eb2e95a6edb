"""Call run(): a few at a time, and no longer than allowed."""

from __future__ import annotations

import contextvars
import ctypes
import threading
from queue import SimpleQueue
from typing import Any, Callable

from .failures import RequestError

MAX_STUCK = 16


class ScoringTimeout(BaseException):
    """Raised inside a run() that has been given up; not an Exception, so that scripts do not swallow it."""


class DirectCaller:
    """Calls run() in the request's own thread, `threads` at a time."""

    def __init__(self, threads: int) -> None:
        """Take how many calls may run at one time."""
        self._slots = threading.Lock() if threads == 1 else threading.BoundedSemaphore(threads)

    def call(self, run: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """Wait for a slot and call."""
        with self._slots:
            return run(**arguments)


class TimedCaller:
    """Calls run() in threads of its own, so that one that takes too long can be left behind.

    Python cannot stop a thread that is inside compiled code. Such a call is answered in time, runs on without anyone
    waiting, and counts as stuck until it ends; at MAX_STUCK of them requests are refused rather than piled up.
    """

    def __init__(self, threads: int, milliseconds: int) -> None:
        """Take how many calls may run at one time, and the limit of each."""
        self._slots = threading.BoundedSemaphore(threads)
        self._milliseconds = milliseconds
        self._idle: list[_Runner] = []
        self._stuck: list[_Runner] = []

    def call(self, run: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """Call within the limit; waiting for a slot counts.

        Raises:
            RequestError: 500 when the limit has passed, 503 when too many calls are stuck.
        """
        self._stuck = [runner for runner in self._stuck if runner.is_alive()]
        if len(self._stuck) >= MAX_STUCK:
            raise RequestError(
                503, f"{MAX_STUCK} calls of run() that ran over their time are still busy.", [("Retry-After", "5")]
            )
        seconds = self._milliseconds / 1000
        if not self._slots.acquire(timeout=seconds):
            raise self._too_slow()
        try:
            return self._within(seconds, run, arguments)
        finally:
            self._slots.release()

    def _within(self, seconds: float, run: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        try:
            runner = self._idle.pop()
        except IndexError:
            runner = _Runner()
        context = contextvars.copy_context()
        job = _Job(lambda: context.run(run, **arguments))
        runner.jobs.put(job)
        if not job.done.acquire(timeout=seconds):
            self._stuck.append(runner)
            runner.give_up()
            raise self._too_slow()
        self._idle.append(runner)
        if job.error is not None:
            raise job.error
        return job.result

    def _too_slow(self) -> RequestError:
        return RequestError(500, f"Scoring timeout after {self._milliseconds} ms", run_failed=True)


class _Job:
    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.done = threading.Lock()
        self.done.acquire()
        self.result: Any = None
        self.error: Any = None


class _Runner:
    """A thread that does one job after another until it is given up."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[_Job] = SimpleQueue()
        self._given_up = False
        self._thread = threading.Thread(target=self._work, name="run", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def give_up(self) -> None:
        self._given_up = True
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(self._thread.ident or 0), ctypes.py_object(ScoringTimeout)
        )

    def _work(self) -> None:
        try:
            while not self._given_up:
                self._do(self.jobs.get())
        except ScoringTimeout:  # it may arrive between two lines of ours
            return

    def _do(self, job: _Job) -> None:
        try:
            job.result = job.work()
        except BaseException as error:  # noqa: BLE001 - raised again where the request waits
            job.error = error
        finally:
            job.done.release()

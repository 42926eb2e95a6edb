"""An event loop for the conda solver's process: it runs coroutines that await the engine's futures, and nothing else.

`asyncio` does all of this and much more, and to import it takes a fifth of the time of a small solve. The engine's bridge
(`pyo3-async-runtimes`) asks a module called `asyncio` for the running loop, and the loop for futures and for calls from other
threads: those are here. Imports nothing of envbuild, as `conda_worker.py`.
"""

from __future__ import annotations

import os
import sys
import types
from _queue import SimpleQueue
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from typing import Any

Call = Callable[..., object]


class CancelledError(BaseException):
    """Nobody cancels here; the bridge wants to know the class."""


class Future:
    """A value that is not there yet, as `asyncio.Future`."""

    def __init__(self, loop: Loop) -> None:
        """Belong to `loop`, which runs the callbacks."""
        self._loop = loop
        self._done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Call] = []

    def __await__(self) -> Generator[Future, None, Any]:
        if not self._done:
            yield self
        return self.result()

    def done(self) -> bool:
        """Tell whether there is a value or an error."""
        return self._done

    def cancelled(self) -> bool:
        """Tell that it never is."""
        return False

    def cancel(self) -> bool:
        """Refuse."""
        return False

    def result(self) -> Any:
        """Return the value, or raise the error."""
        if self._error is not None:
            raise self._error
        return self._value

    def set_result(self, value: Any) -> None:
        """Give the value."""
        self._value = value
        self._finish()

    def set_exception(self, error: BaseException) -> None:
        """Give the error."""
        self._error = error
        self._finish()

    def add_done_callback(self, call: Call, *, context: object = None) -> None:
        """Call `call` with this future when it is done."""
        del context
        if self._done:
            self._loop.call_soon_threadsafe(call, self)
        else:
            self._callbacks.append(call)

    def _finish(self) -> None:
        self._done = True
        for call in self._callbacks:
            self._loop.call_soon_threadsafe(call, self)


class Loop:
    """Runs calls in the order in which threads hand them in."""

    def __init__(self) -> None:
        """Start with nothing to do."""
        self._calls: SimpleQueue[tuple[Call, tuple[Any, ...]]] = SimpleQueue()

    def create_future(self) -> Future:
        """Return a future of this loop."""
        return Future(self)

    def call_soon_threadsafe(self, call: Call, *arguments: Any, context: object = None) -> None:
        """Have `call` run on the loop's thread; from any thread."""
        del context
        self._calls.put((call, arguments))

    def as_completed(self, coroutines: Iterable[Coroutine[Any, Any, Any]]) -> Iterator[Any]:
        """Run `coroutines` beside one another; yield each one's result as it comes, or raise its error."""
        done: list[Future] = []
        waiting = list(coroutines)
        for one in waiting:
            future = self.create_future()
            future.add_done_callback(done.append)
            self.call_soon_threadsafe(self._step, one, future)
        for _ in waiting:
            while not done:
                call, arguments = self._calls.get()
                call(*arguments)
            yield done.pop(0).result()

    def _step(self, coroutine: Coroutine[Any, Any, Any], outcome: Future) -> None:
        try:
            awaited = coroutine.send(None)
        except StopIteration as end:
            outcome.set_result(end.value)
        except BaseException as error:  # noqa: BLE001  (it is raised again where the result is wanted)
            outcome.set_exception(error)
        else:
            awaited.add_done_callback(lambda _: self._step(coroutine, outcome))


class AsyncioLoop:
    """The same over the real `asyncio`, for versions of the engine whose bridge may want more than `Loop` has."""

    def as_completed(self, coroutines: Iterable[Coroutine[Any, Any, Any]]) -> Iterator[Any]:
        """Run `coroutines` beside one another; yield each one's result as it comes, or raise its error."""
        import asyncio

        loop = asyncio.new_event_loop()
        pending = {loop.create_task(one) for one in coroutines}
        while pending:
            done, pending = loop.run_until_complete(asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED))
            yield from (task.result() for task in done)
        loop.close()


KNOWN = ("py_rattler-0.28.",)
"""The versions of the engine that `Loop` is tested with."""


def loop_for(folder: str) -> Loop | AsyncioLoop:
    """Return the loop for the engine that is installed in `folder`; it has to be asked before the engine is imported."""
    if not any(name.startswith(KNOWN) for name in os.listdir(folder)):  # noqa: PTH208  (pathlib costs start-up time)
        return AsyncioLoop()
    loop = Loop()
    module = types.ModuleType("asyncio")
    names = {"get_running_loop": lambda: loop, "get_event_loop": lambda: loop}
    for name, value in {**names, "Future": Future, "CancelledError": CancelledError}.items():
        setattr(module, name, value)
    sys.modules["asyncio"] = module
    return loop

"""The processes that score mini-batches: each loads the script once, in the deployment's environment."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from envbuild import programs
from envbuild.core.errors import ServiceError

START_LIMIT = 600.0
"""Seconds that `init()` may take."""


class MiniBatchError(ServiceError):
    """A mini-batch failed; the message is the script's traceback, or what became of the worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How a worker is started, and how what it started is ended beside the process itself."""

    argv: Sequence[str]
    variables: Mapping[str, str]
    log: Path
    end: Callable[[], None] = lambda: None


class Worker:
    """One process. It starts with its first mini-batch, and again after one that it did not survive."""

    def __init__(self, program: Program) -> None:
        """Nothing is started yet."""
        self._program = program
        self._pid = 0
        self._input: IO[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._pending = b""

    def score(self, files: Sequence[str], timeout: float) -> tuple[list[str], int]:
        """Return the rows of one mini-batch, and how many files they stand for.

        Raises:
            MiniBatchError: `run` raised, took longer than `timeout` seconds, or the worker ended.
            ServiceError: the script cannot be started.
        """
        if not self._pid:
            self._start()
        answer = self._ask({"files": list(files)}, timeout)
        if "error" in answer:
            raise MiniBatchError(str(answer["error"]).strip())
        return list(answer["rows"]), int(answer["count"])

    def close(self) -> None:
        """End the process."""
        if not self._pid:
            return
        for pipe in (self._input, self._output):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        self._program.end()
        self._pid, self._pending = 0, b""

    def _start(self) -> None:
        with self._program.log.open("ab") as log:
            self._pid, self._input, self._output = programs.converse(
                list(self._program.argv), log=log.fileno(), env=dict(self._program.variables)
            )
        try:
            answer = self._answer(START_LIMIT)
        except MiniBatchError as error:
            raise ServiceError(f"the script cannot be started: {error}") from error
        if "error" in answer:
            self.close()
            raise ServiceError(f"the script cannot be started: {answer['error']}")

    def _ask(self, question: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        try:
            if self._input is not None:
                self._input.write(json.dumps(question).encode() + b"\n")
                self._input.flush()
        except OSError:
            return self._lost("the worker ended")
        return self._answer(timeout)

    def _answer(self, timeout: float) -> dict[str, Any]:
        if self._output is None:
            return self._lost("the worker did not start")
        end = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                if not selector.select(max(0.0, end - time.monotonic())):
                    return self._lost(f"no answer within {timeout:g} s")
                block = os.read(self._output.fileno(), 1 << 16)
                if not block:
                    return self._lost("the worker ended")
                self._pending += block
        line, _, self._pending = self._pending.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def _lost(self, why: str) -> dict[str, Any]:
        self.close()
        raise MiniBatchError(why)

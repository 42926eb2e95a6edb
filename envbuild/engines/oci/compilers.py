"""Interpreters that wait for modules to compile, as starting one takes longer than most packages do."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from envbuild.programs import Answering

ENVIRONMENT = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
FLAGS = ("-I", "-S", "-B", "-W", "ignore")

_WORKER = Path(__file__).with_name("bytecode_worker.py")


class Compilers:
    """As many interpreters as are asked at once; a context manager, at whose end they end."""

    def __init__(self) -> None:
        """Begin with none."""
        self._idle: dict[tuple[str, ...], list[Answering]] = defaultdict(list)
        self._changing = threading.Lock()

    def __enter__(self) -> Compilers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End those that wait."""
        with self._changing:
            ending = [one for waiting in self._idle.values() for one in waiting]
            self._idle.clear()
        for one in ending:
            one.close()

    def compile(self, interpreter: Sequence[str], sources: Path, output: Path) -> None:
        """Let the `interpreter`, an argv, compile `sources` into `output` (see `bytecode_worker`).

        Raises:
            ProgramError: it ended, or could not do it.
        """
        one = self._one(tuple(interpreter))
        try:
            status = int(one.ask(f"{os.fsencode(sources).hex()} {os.fsencode(output).hex()}"))
            if status:
                raise one.failure(os.waitstatus_to_exitcode(status))
        except BaseException:
            one.close()
            raise
        with self._changing:
            self._idle[tuple(interpreter)].append(one)

    def _one(self, interpreter: tuple[str, ...]) -> Answering:
        with self._changing:
            if self._idle[interpreter]:
                return self._idle[interpreter].pop()
        return Answering([*interpreter, *FLAGS, str(_WORKER)], env=ENVIRONMENT)

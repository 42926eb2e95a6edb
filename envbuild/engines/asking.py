"""Asking the Python of an image: a program of ours runs in a container of its own and prints one line that is meant for us."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from envbuild.core.errors import EngineError
from envbuild.core.plan import PREFIX, Plan
from envbuild.engines.buildah import BuildahEngine
from envbuild.engines.protocol import ContainerEngine, ImageEngine, RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The program in the file `source`, which prints its answer as JSON after `mark`; `flags` are the interpreter's.

    `seconds` is how long it may take.
    """

    source: Path
    mark: str
    flags: tuple[str, ...]
    seconds: float

    @property
    def command(self) -> tuple[str, ...]:
        """What to run in the image."""
        return (f"{PREFIX}/bin/python", *self.flags, "-c", self.source.read_text(encoding="utf-8"), PREFIX)

    def answer(self, printed: str) -> Any:
        """Return the answer among the lines that were printed.

        Raises:
            EngineError: there is none.
        """
        lines = [line for line in printed.splitlines() if line.startswith(self.mark)]
        if not lines:
            raise EngineError(f"the environment's Python did not answer: {printed.strip()[-200:]}")
        return json.loads(lines[-1].removeprefix(self.mark))


def has_own_python(plan: Plan) -> bool:
    """Tell whether the image of `plan` has a Python that we put there."""
    return not plan.definition.user_managed and plan.lock.python is not None


Ask = Callable[[Question], Any]
"""Returns the answer to a question; raises an EnvbuildError where there is none."""


def ask_image(engine: ImageEngine, name: str, question: Question) -> Any:
    """Return what the image `name` of `engine` answers, without a network.

    Raises:
        EngineError: there is no Python in the environment, or it does not answer.
    """
    if isinstance(engine, BuildahEngine):
        return question.answer(engine.printed(name, question.command))
    return question.answer(_printed(cast("ContainerEngine", engine), name, question))


def _printed(engine: ContainerEngine, name: str, question: Question) -> str:
    container = engine.start(name, RunOptions(command=question.command, network="none"))
    try:
        end = time.monotonic() + question.seconds
        while engine.running(container) and time.monotonic() < end:
            time.sleep(0.05)
        return engine.logs(container)
    finally:
        engine.stop(container, patience=0)

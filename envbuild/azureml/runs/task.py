"""A task: what a run runs, in which environment, on which target; and what the targets share."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.azureml.environments.locking import LockedEnvironment
from envbuild.azureml.records import Record
from envbuild.azureml.runs.run import LOG
from envbuild.azureml.runs.runconfig import RunConfiguration
from envbuild.core.errors import ServiceError
from envbuild.workspace.environments import RegisteredEnvironment
from envbuild.workspace.store import StoredFile, Tree

if TYPE_CHECKING:
    from envbuild.azureml.workspace import Workspace

ENDED = -signal.SIGTERM
"""The exit code of a script that was told to end."""

_POLL = 0.05
"""Seconds between two looks at a script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to run: a command in a folder, in an environment, on a target. `data` are what else of this machine it reads."""

    record: Record
    workspace: Workspace
    config: RunConfiguration
    command: tuple[str, ...]
    folder: Path
    environment: RegisteredEnvironment
    target: str
    variables: Mapping[str, str]
    data: tuple[Path, ...] = ()

    @property
    def log(self) -> Path:
        """Where the preparation and the script write to."""
        return self.record.folder / LOG

    @property
    def control(self) -> Path:
        """The folder through which the script and the submitting side speak."""
        return self.record.folder / "control"

    @property
    def canceled(self) -> bool:
        """Whether somebody asked for its end."""
        return self.record.values.get("status") == "Canceled"

    @property
    def watched(self) -> list[str]:
        """The folders whose files are kept."""
        return [*dict.fromkeys(["outputs", *self.config.history.directories_to_watch])]

    def about(self) -> dict[str, str]:
        """Return the variables that say which run it is; where it writes to depends on the target."""
        return {
            "AZUREML_RUN_ID": self.record.id,
            "AZUREML_EXPERIMENT_NAME": str(self.record.values.get("experiment", "")),
            "AZUREML_ARM_WORKSPACE_NAME": self.workspace.name,
            "PYTHONUNBUFFERED": "1",
        }

    def command_of(self, python: str) -> tuple[str, ...]:
        """Return the command, its `python` in the place of the word where that comes first."""
        return (python, *self.command[1:]) if self.command[0] == "python" else self.command

    def code_of(
        self, poll: Callable[[], int | None], *, end: Callable[[], object], between: Callable[[], object]
    ) -> int:
        """Wait for the script's exit code, doing `between` meanwhile.

        Raises:
            ServiceError: it took longer than it may, and was ended.
        """
        allowed = self.config.max_run_duration_seconds
        limit = time.monotonic() + (allowed or float("inf"))
        while (code := poll()) is None:
            if time.monotonic() > limit:
                end()
                raise ServiceError(f"the script was ended after {allowed} s, as it was asked for")
            between()
            time.sleep(_POLL)
        return code

    def keep_outputs(self) -> Tree:
        """Keep the files of `outputs/`, `logs/`, further watched folders and uploads in the workspace, content-addressed."""
        files: list[StoredFile] = []
        for folder, name in [*((self.folder / one, one) for one in self.watched), (self.control / "uploads", "")]:
            for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
                if path.is_file():
                    one = self.workspace.core.store.put_file(path)
                    files.append(replace(one, path=(Path(name) / path.relative_to(folder)).as_posix()))
        return Tree(files=tuple({one.path: one for one in files}.values()))


def image_key(found: LockedEnvironment) -> str:
    """Return the key of the image that the environment has, built or not."""
    return found.plan(allow_unpinned_base=True).image_key

"""`Experiment`: runs under one name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from envbuild.azureml.records import Record, new_id, now
from envbuild.core.errors import WorkspaceError

if TYPE_CHECKING:
    from envbuild.azureml.runs.run import Run
    from envbuild.azureml.workspace import Workspace

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")


class Experiment:
    """Runs under one name; it is there as soon as it has a run."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        """Refer to the experiment `name`.

        Raises:
            WorkspaceError: the name is not accepted.
        """
        if not _NAME.fullmatch(name):
            raise WorkspaceError(
                f"{name!r} cannot name an experiment", hint="letters, digits, '_', '-', the first a letter or digit"
            )
        self.workspace, self.name = workspace, name

    def submit(self, config: Any, tags: Mapping[str, str] | None = None, **_ignored: Any) -> Run:
        """Start a run of a `ScriptRunConfig` or an `Estimator`, and return it at once.

        Raises:
            DefinitionError: there is no such script, or the target is not known.
            WorkspaceError: the environment's name is not accepted.
        """
        from envbuild.azureml.runs.running import start_run

        return start_run(self, config, dict(tags or {}))

    def start_logging(self, *_ignored: Any, **_more: Any) -> Run:
        """Begin a run that is the process of the caller, who logs to it and ends it with `complete` or `fail`.

        It has failed where the process ends before.
        """
        from envbuild.azureml.runs.run import INTERACTIVE, KIND, Run

        record = Record(self.workspace.core, KIND, new_id(self.name))
        (record.folder / "control").mkdir(parents=True)
        begun = now()
        record.change(
            experiment=self.name, status="Running", created=begun, started=begun, pid=os.getpid(), target=INTERACTIVE
        )
        return Run(self, record.id)

    def get_runs(self, tags: Mapping[str, str] | None = None, status: str | None = None) -> Iterator[Run]:
        """Yield the runs, the newest first."""
        from envbuild.azureml.runs.run import Run

        for one in reversed(Run.list(self)):
            if status in (None, one.status) and dict(tags or {}).items() <= one.get_tags().items():
                yield one

    @staticmethod
    def list(workspace: Workspace) -> Sequence[Experiment]:
        """Return the experiments that have runs, by name."""
        names = {str(one["experiment"]) for one in workspace.core.catalogue.records("run").values()}
        return [Experiment(workspace, name) for name in sorted(names)]

    def __repr__(self) -> str:
        return f"Experiment(Name: {self.name}, Workspace: {self.workspace.name})"

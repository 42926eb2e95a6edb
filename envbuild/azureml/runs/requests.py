"""What a script asks of its run while it runs, and the answers: files in the run's folder, which a container shares too."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from envbuild.azureml.models.resource_configuration import ResourceConfiguration
from envbuild.azureml.runs.experiment import Experiment
from envbuild.azureml.runs.run import Run
from envbuild.azureml.runs.task import Task
from envbuild.core.errors import EnvbuildError, WorkspaceError
from envbuild.files import write_atomic


class Attendant:
    """Answers the script of one task; the lock that it holds tells the script that somebody does."""

    def __init__(self, task: Task) -> None:
        """Attend to `task`."""
        self._task = task
        self._requests, self._answers = task.control / "requests", task.control / "answers"
        self._lock: IO[str] | None = None

    def __enter__(self) -> Attendant:
        for folder in (self._requests, self._answers):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self._requests / "attended").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.close()

    def answer(self) -> None:
        """Answer all that was asked since the last time."""
        for asked in sorted(self._requests.glob("*.json")):
            try:
                said = self._register_model(json.loads(asked.read_text(encoding="utf-8")))
            except EnvbuildError as error:
                said = {"error": str(error)}
            asked.unlink()
            write_atomic(self._answers / asked.name, json.dumps(said))

    def _register_model(self, request: dict[str, Any]) -> dict[str, Any]:
        from envbuild.azureml.models.model import Model

        path, resources = request.pop("model_path"), request.pop("resources")
        run = Run(Experiment(self._task.workspace, str(self._task.record.values["experiment"])), self._task.record.id)
        model = Model.register(
            self._task.workspace,
            self._place(path),
            resource_configuration=ResourceConfiguration(**resources) if resources else None,
            run=run,
            **request,
        )
        return {
            "id": model.id,
            "name": model.name,
            "version": model.version,
            "tags": model.tags,
            "properties": model.properties,
            "description": model.description,
            "run_id": model.run_id,
        }

    def _place(self, path: str | None) -> Path:
        """Return where the file or folder is that the script names; without a name, the one output."""
        if path is None:
            outputs = sorted((self._task.folder / "outputs").glob("*"))
            if len(outputs) != 1:
                raise WorkspaceError(f"the run has {len(outputs)} outputs", hint="name one with model_path=")
            return outputs[0]
        for folder in (self._task.folder, self._task.control / "uploads"):
            place = (folder / path).resolve()
            if place.exists() and place.is_relative_to(folder.resolve()):
                return place
        raise WorkspaceError(
            f"the run has no file {path}", hint="write it to outputs/ first; the path counts from there"
        )

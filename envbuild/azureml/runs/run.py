"""`Run`: one execution of a script, while it runs and afterwards."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from envbuild.azureml.class_calls import OfTheClassToo
from envbuild.azureml.records import FINAL, Record, now
from envbuild.azureml.runs.inside.run_context import RunContext, read_lines
from envbuild.core.errors import ServiceError, WorkspaceError
from envbuild.workspace.store import StoredFile, Tree

if TYPE_CHECKING:
    from envbuild.azureml.environments.environment import Environment
    from envbuild.azureml.models.model import Model
    from envbuild.azureml.runs.experiment import Experiment

KIND = "run"
INTERACTIVE = "interactive"
"""The target of a run that was not submitted: the process that logs to it."""

LOG = "azureml-logs/70_driver_log.txt"


class Run(RunContext):
    """One run of an experiment. What it is comes from the workspace each time it is asked.

    One that `Experiment.start_logging` began ends with `complete` or `fail`, or with the block of a `with`.
    """

    def __init__(self, experiment: Experiment, run_id: str) -> None:
        """Refer to the run `run_id`.

        Raises:
            WorkspaceError: the workspace has no such run.
        """
        super().__init__(Record(experiment.workspace.core, KIND, run_id).folder / "control", run_id, experiment.name)
        self.experiment: Experiment = experiment
        if not self.record.values:
            raise WorkspaceError(f"there is no run {run_id} in this workspace")

    @staticmethod
    def get(workspace: Any, run_id: str) -> Run:
        """Return a run by its id.

        Raises:
            WorkspaceError: there is none.
        """
        from envbuild.azureml.runs.experiment import Experiment

        found = workspace.core.catalogue.record(KIND, run_id)
        if found is None:
            raise WorkspaceError(f"there is no run {run_id} in this workspace")
        return Run(Experiment(workspace, str(found["experiment"])), run_id)

    @staticmethod
    def list(experiment: Experiment) -> Sequence[Run]:
        """Return the runs of an experiment, the oldest first."""
        found = experiment.workspace.core.catalogue.records(KIND)
        mine = [name for name, one in found.items() if one.get("experiment") == experiment.name]
        return [Run(experiment, name) for name in sorted(mine, key=lambda name: str(found[name].get("created", "")))]

    @staticmethod
    def latest() -> Run:
        """Return the latest run of the workspace here.

        Raises:
            WorkspaceError: there is none.
        """
        from envbuild.azureml.workspace import Workspace

        workspace = Workspace.from_config()
        found = workspace.core.catalogue.records(KIND)
        if not found:
            raise WorkspaceError("this workspace has no run yet")
        return Run.get(workspace, max(found, key=lambda name: str(found[name].get("created", ""))))

    # how it is

    @property
    def record(self) -> Record:
        """The run's record in the workspace."""
        return Record(self.experiment.workspace.core, KIND, self.id)

    @property
    def status(self) -> str:
        """Preparing, Running, Completed, Failed or Canceled."""
        return str(self.record.values.get("status", ""))

    def get_status(self) -> str:
        """Return `status`."""
        return self.status

    def get_details(self) -> dict[str, Any]:
        """Return what is known: status, environment, image key, start, end, exit code, error."""
        values = self.record.values
        named = {"startTimeUtc": values.get("started"), "endTimeUtc": values.get("ended")}
        return {"runId": self.id, "logFiles": {LOG: self.log_file.resolve().as_uri()}, **values, **named}

    @property
    def log_file(self) -> Path:
        """What the preparation and the script said."""
        return self.record.folder / LOG

    def get_all_logs(self) -> str:
        """Return what the preparation and the script said so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.is_file() else ""

    def wait_for_completion(self, show_output: bool = False, raise_on_error: bool = True) -> dict[str, Any]:
        """Wait for the end and return the details; `show_output` copies the log to stdout.

        Raises:
            ServiceError: the run failed, with the end of its log (unless `raise_on_error` is False).
        """
        values = self.record.values
        if values.get("target") == INTERACTIVE and values.get("pid") == os.getpid():
            # nobody but the caller could end it
            return self.get_details()
        values = self.record.wait(show=self.log_file if show_output else None)
        if values.get("status") == "Failed" and raise_on_error:
            tail = "\n".join(self.get_all_logs().splitlines()[-20:])
            raise ServiceError(f"run {self.id} failed: {values.get('error')}\n{tail}")
        return self.get_details()

    def cancel(self) -> None:
        """End the script; nothing happens to a run that ended."""
        values = self.record.values
        if values.get("status") in FINAL:
            return
        self.record.change(status="Canceled", ended=now())
        if isinstance(values.get("child"), int):
            try:
                os.killpg(values["child"], signal.SIGTERM)
            except ProcessLookupError:
                return

    # what it had and made

    @OfTheClassToo(lambda owner: owner.latest())
    def get_environment(self) -> Environment:
        """Return the environment in the version that the run used; of the latest run, when called on the class.

        Raises:
            WorkspaceError: the run was not submitted, and runs where its user does.
        """
        from envbuild.azureml.environments.environment import Environment

        used = self.record.values.get("environment")
        if not used:
            raise WorkspaceError(f"run {self.id} has no environment of its own: it is in a process of yours")
        name, _, version = str(used).partition(":")
        return Environment.get(self.experiment.workspace, name, version)

    def get_tags(self) -> dict[str, str]:
        """Return the tags, those that the script set among them."""
        own = {one["name"]: one["value"] for one in read_lines(self.record.folder / "control" / "tags.jsonl")}
        return {**self.record.values.get("tags", {}), **own}

    def upload_file(self, name: str, path_or_stream: Any, **_ignored: Any) -> None:
        """Keep a file with the run under `name`, in the place of an earlier one."""
        super().upload_file(name, path_or_stream)
        one = replace(self.experiment.workspace.core.store.put_file(self._place(name)), path=name)
        kept = {file.path: file for file in (*self.files.files, one)}
        self.record.change(files=Tree(files=tuple(kept.values())).to_list())

    def complete(self) -> None:
        """End a run that `Experiment.start_logging` began; one that was submitted ends with its script."""
        self._end("Completed")

    def fail(self, error_details: str | BaseException | None = None, **_ignored: Any) -> None:
        """End a run that `Experiment.start_logging` began: it failed."""
        self._end("Failed", error=str(error_details or "it was said to have failed"))

    def _end(self, status: str, **more: str) -> None:
        values = self.record.values
        if values.get("target") == INTERACTIVE and values.get("status") not in FINAL:
            self.record.change(status=status, ended=now(), **more)

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.complete()
        else:
            self.fail(error)

    @property
    def files(self) -> Tree:
        """The files that were kept: `outputs/`, `logs/` and uploads."""
        return Tree.from_list(self.record.values.get("files", []))

    def get_file_names(self) -> Sequence[str]:
        """Return the names of the files of the run."""
        return [LOG, *(one.path for one in self.files.files)]

    def download_file(self, name: str, output_file_path: str | Path | None = None) -> None:
        """Write one file of the run to a path, or below the current folder under its own name.

        Raises:
            WorkspaceError: the run has no such file.
        """
        target = Path(output_file_path or name)
        if output_file_path is not None and (target.is_dir() or str(output_file_path).endswith("/")):
            target = target / Path(name).name
        if name == LOG:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.get_all_logs(), encoding="utf-8")
            return
        self.experiment.workspace.core.store.take_file(self._kept(name), target)

    def download_files(self, prefix: str = "", output_directory: str | Path = ".") -> None:
        """Write the files whose names begin with `prefix` below a folder."""
        for one in self.files.files:
            if one.path.startswith(prefix):
                self.experiment.workspace.core.store.take_file(one, one.below(Path(output_directory)))

    def _kept(self, name: str) -> StoredFile:
        found = next((one for one in self.files.files if one.path == name), None)
        if found is None:
            raise WorkspaceError(f"run {self.id} has no file {name}", hint=f"it has {', '.join(self.get_file_names())}")
        return found

    def register_model(
        self,
        model_name: str | None = None,
        model_path: str | None = None,
        tags: Any = None,
        properties: Mapping[str, str] | None = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        description: str | None = None,
        **further: Any,
    ) -> Model:
        """Register a file or folder of the run's outputs as a model; without names, the one output, by the experiment's name.

        Raises:
            WorkspaceError: the run has no such file.
        """
        from tempfile import TemporaryDirectory

        from envbuild.azureml.models.model import Model

        wanted = (model_path or self._one_output()).rstrip("/")
        found = [one for one in self.files.files if one.path == wanted or one.path.startswith(f"{wanted}/")]
        if not found:
            self._kept(wanted)
        with TemporaryDirectory(prefix="envbuild-model-") as folder:
            for one in found:
                self.experiment.workspace.core.store.take_file(one, one.below(Path(folder)))
            model = Model.register(
                self.experiment.workspace,
                Path(folder) / wanted,
                model_name or self.experiment.name,
                tags=tags,
                properties=properties,
                description=description,
                model_framework=model_framework,
                model_framework_version=model_framework_version,
                run=self,
                **further,
            )
        self.model_id = model.id
        return model

    def _one_output(self) -> str:
        outputs = sorted(
            {"/".join(one.path.split("/")[:2]) for one in self.files.files if one.path.startswith("outputs/")}
        )
        if len(outputs) != 1:
            raise WorkspaceError(f"run {self.id} has {len(outputs)} outputs", hint="name one with model_path=")
        return outputs[0]

    def __repr__(self) -> str:
        return f"Run(Experiment: {self.experiment.name}, Id: {self.id}, Status: {self.status})"

    def to_json(self) -> str:
        """Return the details as JSON."""
        return json.dumps(self.get_details())

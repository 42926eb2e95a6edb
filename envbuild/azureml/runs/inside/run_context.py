"""`Run` inside a run: metrics, tags and files go to the run's folder, from where the submitting side reads them.

What needs an answer (`register_model`) is a file in `requests`, and the answer one in `answers`.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Mapping, Sequence

_POLL = 0.02
"""Seconds between two looks for an answer."""


class ExperimentName:
    """The experiment of a run, by its name."""

    def __init__(self, name: str) -> None:
        """Keep the name."""
        self.name = name

    @property
    def workspace(self) -> Any:
        """The workspace that the run was submitted from, where it is on this machine and the environment has envbuild.

        Raises:
            RuntimeError: it is not, or has not.
        """
        folder = os.environ.get("ENVBUILD_WORKSPACE")
        if not folder or not Path(folder).is_dir():
            raise RuntimeError("the workspace is not there inside this run: a container or a cluster has only the run")
        try:
            from envbuild.azureml.core import Workspace
        except ImportError as error:
            raise RuntimeError("for the workspace, add envbuild to the packages of the environment") from error
        return Workspace.from_config(folder)


class RegisteredModel:
    """A model that the run registered: `name`, `version`, `id`, `tags`, `properties`, `description`, `run_id`."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        """Keep what the workspace said of it."""
        self.name, self.version, self.id = about["name"], about["version"], about["id"]
        self.tags, self.properties = dict(about["tags"]), dict(about["properties"])
        self.description, self.run_id = about["description"], about["run_id"]

    def __repr__(self) -> str:
        return f"Model(name={self.name}, id={self.id}, version={self.version})"


class InputDatasets:
    """The data that the run was given, by name: a table where it is registered and envbuild is there, else its path."""

    def __init__(self, experiment: ExperimentName) -> None:
        """Look in the workspace of `experiment`."""
        self._experiment = experiment

    def __getitem__(self, name: str) -> Any:
        path = os.environ.get(f"AZUREML_DATAREFERENCE_{name}")
        if path is None:
            raise KeyError(f"the run was given no data called {name!r}")
        dataset = os.environ.get(f"AZUREML_DATASET_{name}")
        if not dataset:
            return path
        try:
            from envbuild.azureml.core import Dataset

            found = Dataset.get_by_id(self._experiment.workspace, dataset)
        except (ImportError, RuntimeError):
            return path
        return path if found.form == "file" else found


class RunContext:
    """The run that this process is, or a run of its own where it is none: what it logs then goes to stdout."""

    def __init__(self, folder: Path | None, run_id: str, experiment: str) -> None:
        """Do not call this: `Run.get_context` returns one."""
        self._folder, self.id = folder, run_id
        self.experiment: Any = ExperimentName(experiment)
        self.run_id, self.number, self.parent = run_id, 1, None
        self.model_id: str | None = None
        self.input_datasets = InputDatasets(self.experiment)

    @staticmethod
    def get_context(allow_offline: bool = True, **_ignored: Any) -> RunContext:
        """Return the run that this process belongs to.

        Raises:
            RuntimeError: it belongs to none, and `allow_offline` is False.
        """
        folder = os.environ.get("AZUREML_RUN_CONTROL")
        if not folder and not allow_offline:
            raise RuntimeError("this process is no run: submit the script with Experiment.submit")
        experiment = os.environ.get("AZUREML_EXPERIMENT_NAME", "")
        if not folder:
            return _OfflineRun(None, f"OfflineRun_{os.getpid()}", experiment)
        return RunContext(Path(folder), os.environ.get("AZUREML_RUN_ID", ""), experiment)

    def log(self, name: str, value: Any, description: str = "", **_ignored: Any) -> None:
        """Log one value of a metric; several make a list."""
        del description
        self._write("metrics", {"name": name, "value": _plain(value)})

    def log_list(self, name: str, value: Any, description: str = "", **_ignored: Any) -> None:
        """Log a list of values."""
        del description
        for one in value:
            self.log(name, one)

    def log_row(self, name: str, description: str = "", **columns: Any) -> None:
        """Log one row of a table."""
        del description
        self._write("metrics", {"name": name, "row": {key: _plain(value) for key, value in columns.items()}})

    def log_table(self, name: str, value: Any, description: str = "", **_ignored: Any) -> None:
        """Log a table: a dictionary of columns."""
        del description
        self._write("metrics", {"name": name, "table": {key: _plain(column) for key, column in value.items()}})

    def log_image(self, name: str, path: Any = None, plot: Any = None, description: str = "") -> None:
        """Keep a picture with the run: a file, or a figure of matplotlib.

        Raises:
            ValueError: neither or both are given.
        """
        del description
        if (path is None) == (plot is None):
            raise ValueError("log_image needs a path or a plot, and not both")
        if path is not None:
            self.upload_file(f"{name}{Path(path).suffix}" if not Path(name).suffix else name, path)
        elif self._folder is not None:
            target = self._place(f"{name}.png")
            plot.savefig(str(target))

    def tag(self, key: str, value: Any = None) -> None:
        """Set a tag of the run."""
        self._write("tags", {"name": key, "value": "" if value is None else str(value)})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set several tags of the run."""
        for key, value in tags.items():
            self.tag(key, value)

    def upload_file(self, name: str, path_or_stream: Any, **_ignored: Any) -> None:
        """Keep a file with the run under `name`."""
        if self._folder is None:
            return
        target = self._place(name)
        if hasattr(path_or_stream, "read"):
            content = path_or_stream.read()
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        else:
            shutil.copyfile(str(path_or_stream), str(target))

    def upload_folder(self, name: str, path: Any, **_ignored: Any) -> None:
        """Keep all files below the folder `path` with the run, below `name`."""
        for one in sorted(Path(path).rglob("*")):
            if one.is_file():
                self.upload_file(f"{name}/{one.relative_to(path).as_posix()}", one)

    def register_model(
        self,
        model_name: str,
        model_path: str | None = None,
        tags: Any = None,
        properties: Mapping[str, str] | None = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        description: str | None = None,
        *,
        child_paths: Sequence[str] | None = None,
        resource_configuration: Any = None,
    ) -> Any:
        """Register a file or folder of the run as a model while the run goes on; without a path, the one output.

        The path counts from the folder that the script started in (`outputs/…`), or is the name of an upload.

        Raises:
            RuntimeError: this process is no run, nobody answers there, or the workspace refuses, with its words.
        """
        resources = resource_configuration
        about = self._ask(
            {
                "model_name": model_name,
                "model_path": model_path,
                "tags": tags,
                "properties": properties and dict(properties),
                "model_framework": model_framework,
                "model_framework_version": model_framework_version,
                "description": description,
                "child_paths": child_paths and list(child_paths),
                "resources": resources and {key: getattr(resources, key) for key in ("cpu", "memory_in_gb", "gpu")},
            }
        )
        self.model_id = about["id"]
        return RegisteredModel(about)

    def get_metrics(self, name: str | None = None) -> dict[str, Any]:
        """Return what was logged so far, by name."""
        found = read_metrics(self._folder / "metrics.jsonl") if self._folder is not None else {}
        return found if name is None else {key: value for key, value in found.items() if key == name}

    def complete(self) -> None:
        """Azure ends an interactive run here; a run that was submitted ends with its script."""

    def flush(self, timeout_seconds: int = 300) -> None:
        """Azure waits for its queues here; everything is written at once."""

    def _place(self, name: str) -> Path:
        if self._folder is None:
            raise RuntimeError("this process is no run")
        target = (self._folder / "uploads" / name).resolve()
        if (self._folder / "uploads").resolve() not in target.parents:
            raise ValueError(f"{name!r} leads out of the run")
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._folder is None:
            raise RuntimeError("this process is no run: submit the script with Experiment.submit")
        name = f"{time.time_ns():020}-{secrets.token_hex(4)}.json"
        asked, answer = self._folder / "requests" / name, self._folder / "answers" / name
        hint = "register the model when the run has ended: run.register_model(…)"
        if not asked.parent.is_dir():
            raise RuntimeError(f"nobody answers inside a run on a cluster; {hint}")
        half = asked.with_suffix(".half")
        half.write_text(json.dumps(request), encoding="utf-8")
        half.replace(asked)
        while not answer.is_file():
            if not _is_locked(asked.parent / "attended") and not answer.is_file():
                raise RuntimeError(f"the process that submitted the run is gone; {hint}")
            time.sleep(_POLL)
        found: Mapping[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        if "error" in found:
            raise RuntimeError(found["error"])
        return found

    def _write(self, kind: str, entry: dict[str, Any]) -> None:
        line = json.dumps(entry)
        if self._folder is None:
            sys.stdout.write(f"Attempted to log {kind}: {line}\n")
            return
        with (self._folder / f"{kind}.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")


Run = RunContext
"""The name that scripts import."""


class _OfflineRun(RunContext):
    """What a process is that was not submitted; scripts ask for it by this name."""


def read_metrics(path: Path) -> dict[str, Any]:
    """Return the metrics of a log: a value, a list of values, or a dictionary of columns, by name."""
    found: dict[str, list[Any]] = {}
    tables: dict[str, dict[str, Any]] = {}
    for entry in read_lines(path):
        if "row" in entry:
            table = tables.setdefault(entry["name"], {})
            for column, value in entry["row"].items():
                table.setdefault(column, []).append(value)
        elif "table" in entry:
            tables[entry["name"]] = entry["table"]
        else:
            found.setdefault(entry["name"], []).append(entry["value"])
    values = {name: one[0] if len(one) == 1 else one for name, one in found.items()}
    return {**values, **tables}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a log; a last line that is not whole yet is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]


def _is_locked(path: Path) -> bool:
    """Tell whether another process holds the lock on `path`; the kernel drops it when that process ends."""
    import fcntl

    with path.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _plain(value: Any) -> Any:
    """Return what JSON can say of a value; numbers of numpy are numbers, arrays lists."""
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)

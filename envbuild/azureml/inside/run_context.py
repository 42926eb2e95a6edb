"""`Run` inside a run: metrics, tags and files go to the run's folder, from where the submitting side reads them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any


class ExperimentName:
    """The experiment of a run, by its name."""

    def __init__(self, name: str) -> None:
        """Keep the name."""
        self.name = name


class RunContext:
    """The run that this process is, or a run of its own where it is none: what it logs then goes to stdout."""

    def __init__(self, folder: Path | None, run_id: str, experiment: str) -> None:
        """Do not call this: `Run.get_context` returns one."""
        self._folder, self.id, self.experiment = folder, run_id, ExperimentName(experiment)
        self.run_id, self.number, self.parent = run_id, 1, None

    @staticmethod
    def get_context(allow_offline: bool = True, **_ignored: Any) -> RunContext:
        """Return the run that this process belongs to.

        Raises:
            RuntimeError: it belongs to none, and `allow_offline` is False.
        """
        folder = os.environ.get("AZUREML_RUN_CONTROL")
        if not folder and not allow_offline:
            raise RuntimeError("this process is no run: submit the script with Experiment.submit")
        name = os.environ.get("AZUREML_RUN_ID") or f"OfflineRun_{os.getpid()}"
        return RunContext(Path(folder) if folder else None, name, os.environ.get("AZUREML_EXPERIMENT_NAME", ""))

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

    def tag(self, key: str, value: Any = None) -> None:
        """Set a tag of the run."""
        self._write("tags", {"name": key, "value": "" if value is None else str(value)})

    def upload_file(self, name: str, path_or_stream: Any, **_ignored: Any) -> None:
        """Keep a file with the run under `name`."""
        if self._folder is None:
            return
        target = (self._folder / "uploads" / name).resolve()
        if self._folder.resolve() not in target.parents:
            raise ValueError(f"{name!r} leads out of the run")
        target.parent.mkdir(parents=True, exist_ok=True)
        if hasattr(path_or_stream, "read"):
            content = path_or_stream.read()
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        else:
            shutil.copyfile(str(path_or_stream), str(target))

    def get_metrics(self) -> dict[str, Any]:
        """Return what was logged so far."""
        return read_metrics(self._folder / "metrics.jsonl") if self._folder is not None else {}

    def complete(self) -> None:
        """Azure ends an interactive run here; a run ends with its script."""

    def flush(self, timeout_seconds: int = 300) -> None:
        """Azure waits for its queues here; everything is written at once."""

    def _write(self, kind: str, entry: dict[str, Any]) -> None:
        line = json.dumps(entry)
        if self._folder is None:
            sys.stdout.write(f"Attempted to log {kind}: {line}\n")
            return
        with (self._folder / f"{kind}.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")


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


def _plain(value: Any) -> Any:
    """Return what JSON can say of a value; numbers of numpy are numbers, arrays lists."""
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)

"""`Model.profile`: how much CPU and memory a service of models needs, measured."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from envbuild import api
from envbuild.azureml.data import TabularDataset
from envbuild.azureml.packaging.inference import InferenceConfig
from envbuild.azureml.packaging.package import packaged, service_environment
from envbuild.azureml.profiling.limited import Load, Start, as_container, as_process, measure
from envbuild.azureml.profiling.sweep import Measurement, percentile, recommend, sweep
from envbuild.azureml.records import LogProgress, Record, guarded, now
from envbuild.core.errors import DefinitionError, EngineError, ServiceError, WorkspaceError

if TYPE_CHECKING:
    from envbuild.azureml.models.model import Model
    from envbuild.azureml.workspace import Workspace

KIND = "profile"
LEAST_REQUESTS = 50
"""Requests at each pair of limits, where the data set has fewer rows."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_CPU, _MEMORY = (0.1, 3.5), (0.1, 15.0)
_DEFAULT_MEMORY = 4.0


class ModelProfile:
    """One profile: its state while it is measured, its details afterwards."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        """Look the profile `name` up.

        Raises:
            WorkspaceError: there is none.
        """
        self.workspace, self.name = workspace, name
        self._record = Record(workspace.core, KIND, name)
        if not self._record.values:
            raise WorkspaceError(f"there is no profile {name} in this workspace")

    @property
    def state(self) -> str:
        """Running, Succeeded or Failed."""
        return str(self._record.values.get("status", ""))

    @property
    def error(self) -> str:
        """Why it failed, or an empty text."""
        return str(self._record.values.get("error", ""))

    def wait_for_completion(self, show_output: bool = False) -> None:
        """Wait for the end; `show_output` copies the log to stdout.

        Raises:
            ServiceError: it failed; with the reason.
        """
        values = self._record.wait(show=self._record.folder / "profile.log" if show_output else None)
        if show_output:
            sys.stdout.write(f"Profile {self.name} {values.get('status')}\n")
        if values.get("status") != "Succeeded":
            raise ServiceError(f"profile {self.name} {values.get('status')}: {values.get('error')}")

    def get_details(self) -> dict[str, Any]:
        """Return what was found, with Azure's keys (`…InGb`, as its documents write, is `…InGB`); `sweep` beside them has every pair of limits that was tried.

        Latencies are in ms and those at the requested limits, `successRate` is in percent.
        """
        values = self._record.values
        found = _Details(
            name=self.name,
            description=values.get("description"),
            state=self.state,
            createdTime=values.get("created"),
            **values.get("details", {}),
        )
        if self.error:
            found |= {"error": self.error, "errorLogsUri": (self._record.folder / "profile.log").resolve().as_uri()}
        return found

    def serialize(self) -> dict[str, Any]:
        """Return the details."""
        return self.get_details()

    def __repr__(self) -> str:
        return f"ModelProfile(workspace={self.workspace!r}, name={self.name!r}, state={self.state!r})"


class _Details(dict[str, Any]):
    def __missing__(self, key: str) -> Any:
        if key.endswith("InGb"):
            return self[f"{key[:-1]}B"]
        raise KeyError(key)


def start_profile(
    workspace: Workspace,
    name: str,
    models: Sequence[Model],
    inference: InferenceConfig | None,
    bodies: Sequence[bytes],
    *,
    cpu: float | None = None,
    memory: float | None = None,
    description: str = "",
    engine: str = "auto",
    requests: int | None = None,
    concurrency: int = 1,
) -> ModelProfile:
    """Register the environment and start to measure in a thread; see `Model.profile`.

    Raises:
        WorkspaceError: the name is taken.
        DefinitionError: the name or a limit is not accepted.
        ServiceError: there is nothing that could be served.
    """
    _check(name, models, cpu, memory)
    if not bodies:
        raise DefinitionError("there is no request to replay", hint="a data set with one column, a request in each row")
    stored, framework = service_environment(workspace, models, inference)
    record = Record(workspace.core, KIND, name)
    if record.values:
        raise WorkspaceError(f"there is a profile {name} already", hint="each profile has a name of its own")
    progress = LogProgress(record.folder / "profile.log")
    cpus, memories = _requested(models, cpu, memory)
    record.change(status="Running", created=now(), pid=os.getpid(), environment=stored.id, description=description)
    load = Load(bodies=bodies, count=requests or max(LEAST_REQUESTS, len(bodies)), concurrency=concurrency)

    def work() -> dict[str, Any]:
        made = packaged(workspace, stored, models, inference, framework, progress)
        measuring = partial(_told, progress, _start(workspace, made, engine, progress), load)
        found = sweep(measuring, cpus, memories)
        if not found[0].works:
            first = found[0]
            raise ServiceError(f"the service does not work with {first.cpu} CPUs and {first.memory} GB: {first.error}")
        return {"details": details(found)}

    threading.Thread(target=guarded, args=(record, progress, work, "Succeeded"), name=record.id).start()
    return ModelProfile(workspace, name)


def bodies_of(dataset: Any) -> list[bytes]:
    """Return the requests in a tabular data set of one column.

    Raises:
        DefinitionError: it is another kind of data set, or has another number of columns.
    """
    if not isinstance(dataset, TabularDataset):
        raise DefinitionError(
            "a profile needs a tabular data set", hint="Dataset.Tabular.from_delimited_files makes one"
        )
    if len(dataset.columns) != 1:
        raise DefinitionError(
            f"a profile needs one column, a request in each row; this data set has {len(dataset.columns)}",
            hint="separator='\\n' keeps each line whole",
        )
    # a request is a text, also where it looks like a number
    texts = TabularDataset(dataset.paths, {**dataset.options, "infer_column_types": False}).rows()
    return [str(row[0]).encode() for row in texts]


def details(found: Sequence[Measurement]) -> dict[str, Any]:
    """Return the measurements with Azure's keys; the first is the one at the requested limits."""
    first, advice = found[0], recommend(found)
    ms = [latency * 1000 for latency in first.latencies]
    return {
        "requestedCpu": first.cpu,
        "requestedMemoryInGB": first.memory,
        "requestedQueriesPerSecond": 0,
        "maxUtilizedCpu": round(first.max_cpu, 3),
        "maxUtilizedMemoryInGB": round(first.max_memory, 3),
        "totalQueries": first.queries,
        "successQueries": len(first.latencies),
        "successRate": _share(first),
        "averageLatencyInMs": round(sum(ms) / len(ms), 3) if ms else None,
        **{
            f"latencyPercentile{str(one).replace('.', '')}InMs": round(percentile(ms, one), 3)
            for one in (50, 90, 95, 99, 99.9)
        },
        "measuredQueriesPerSecond": _rate(first),
        "recommendedCpu": advice and advice.cpu,
        "recommendedMemoryInGB": advice and advice.memory,
        "sweep": [_row(one) for one in found],
    }


def _row(one: Measurement) -> dict[str, Any]:
    return {
        "cpu": one.cpu,
        "memoryInGB": one.memory,
        "successRate": _share(one),
        "latencyPercentile95InMs": round(one.p95 * 1000, 3) if one.latencies else None,
        "queriesPerSecond": _rate(one),
        "utilizedCpu": round(one.max_cpu, 3),
        "utilizedMemoryInGB": round(one.max_memory, 3),
        "error": one.error or None,
    }


def _share(one: Measurement) -> float:
    return round(100 * len(one.latencies) / one.queries, 3) if one.queries else 0.0


def _rate(one: Measurement) -> float:
    return round(len(one.latencies) / one.seconds, 3) if one.seconds else 0.0


def _check(name: str, models: Sequence[Model], cpu: float | None, memory: float | None) -> None:
    if not _NAME.fullmatch(name):
        raise DefinitionError(f"{name!r} cannot name a profile", hint="letters, digits, '_', '.', '-'; 63 at most")
    if not models:
        raise DefinitionError("a profile needs a model")
    for what, value, (least, most) in (("cpu", cpu, _CPU), ("memory_in_gb", memory, _MEMORY)):
        if value is not None and not least <= value <= most:
            raise DefinitionError(f"{what} is {value}; it lies between {least} and {most}")


def _requested(models: Sequence[Model], cpu: float | None, memory: float | None) -> tuple[float, float]:
    """Return the limits to begin with: what was said, what the models were registered with, or what this machine has."""
    known = [one.resource_configuration for one in models if one.resource_configuration is not None]
    cpus = cpu or max((one.cpu for one in known if one.cpu), default=0) or min(_CPU[1], float(os.cpu_count() or 1))
    memories = memory or max((one.memory_in_gb for one in known if one.memory_in_gb), default=0) or _DEFAULT_MEMORY
    return cpus, memories


def _start(workspace: Workspace, made: api.Package, engine: str, progress: LogProgress) -> Start:
    from envbuild.azureml.environments.building import build_options
    from envbuild.engines.detect import container_engine

    chosen = "local" if engine == "auto" and made.plan.definition.user_managed else engine
    if chosen == "auto":
        try:
            chosen = container_engine().name
        except EngineError as error:
            progress.line(f"no container engine works here, so the service is a process: {error}")
            chosen = "local"
    if chosen == "local":
        return as_process(made, progress)
    return as_container(made, build_options(workspace.core), chosen, progress)


def _told(progress: LogProgress, start: Start, load: Load, cpu: float, memory: float) -> Measurement:
    found = measure(start, load, cpu, memory)
    said = f"p95 {found.p95 * 1000:.1f} ms" if found.works else f"does not work: {found.error.splitlines()[0]}"
    progress.line(f"{cpu} CPUs, {memory} GB: {said}, {found.max_memory:.2f} GB and {found.max_cpu:.2f} CPUs in use")
    return found

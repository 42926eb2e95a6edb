"""A run, step by step: copy the folder, register and prepare the environment, start the script, keep what it made."""

from __future__ import annotations

import os
import shlex
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.azureml.data.data_reference import DataReference
from envbuild.azureml.environments.environment import Environment, EnvironmentReference
from envbuild.azureml.environments.locking import locked
from envbuild.azureml.environments.registered import find, store
from envbuild.azureml.ignoring import ignored_by
from envbuild.azureml.records import LogProgress, Record, guarded, new_id, now
from envbuild.azureml.runs.compute import targets
from envbuild.azureml.runs.ray import ADDRESS
from envbuild.azureml.runs.run import KIND, Run
from envbuild.azureml.runs.runconfig import DEFAULT_ENVIRONMENT, RunConfiguration
from envbuild.azureml.runs.targets import in_container, on_cluster, on_this_machine
from envbuild.azureml.runs.task import Task
from envbuild.core.errors import DefinitionError, ServiceError
from envbuild.workspace.environments import RegisteredEnvironment

if TYPE_CHECKING:
    from envbuild.azureml.runs.experiment import Experiment
    from envbuild.azureml.workspace import Workspace

TARGETS = {"local": on_this_machine, "docker": in_container}
_SKIPPED = {".git", ".envbuild", "__pycache__", ".venv", ".mypy_cache", ".pytest_cache", ".ipynb_checkpoints"}


def start_run(experiment: Experiment, config: Any, tags: dict[str, str]) -> Run:
    """Register the environment, copy the folder, and start the run in a thread of this process; return it at once.

    Raises:
        DefinitionError: there is no such script, or the target is not known.
    """
    config = getattr(config, "script_run_config", config)
    settings: RunConfiguration = config.run_config
    source = Path(config.source_directory)
    if not source.is_dir():
        raise DefinitionError(f"source_directory {source} is no folder", hint="it holds the script and what it needs")
    if config.script and not (source / config.script).is_file():
        raise DefinitionError(f"{source} has no {config.script}", hint="the script counts from source_directory")
    workspace = experiment.workspace
    target = target_of(workspace, settings)
    environment = _registered(workspace, settings.environment)
    record = Record(workspace.core, KIND, new_id(experiment.name))
    copies = settings.history.snapshot_project or target not in TARGETS
    folder = record.folder / "snapshot" if copies else source.resolve()
    if copies:
        snapshot(source, folder)
    data = _data(config)
    task = Task(
        record=record,
        workspace=workspace,
        config=settings,
        command=_command(config),
        folder=folder,
        environment=environment,
        target=target,
        variables={
            **{name: value for one in data for name, value in one.variables().items()},
            **settings.environment_variables,
        },
        data=tuple(dict.fromkeys(one.path.resolve() for one in data)),
    )
    task.control.mkdir(parents=True)
    record.change(
        experiment=experiment.name,
        status="Preparing",
        created=now(),
        pid=os.getpid(),
        environment=environment.id,
        target=target,
        command=list(task.command),
        tags=tags,
        snapshot=workspace.core.store.put_tree(folder).digest if copies else "",
    )
    run = Run(experiment, record.id)
    progress = LogProgress(task.log)
    threading.Thread(
        target=guarded, args=(record, progress, lambda: _execute(task, progress), "Completed"), name=record.id
    ).start()
    return run


def target_of(workspace: Workspace, settings: RunConfiguration) -> str:
    """Return where a run goes: `local`, a prefix on this machine, `docker`, a container, or a Ray cluster's address.

    A compute target's name is what stands for it in the workspace.

    Raises:
        DefinitionError: the target is none of them.
    """
    named = str(getattr(settings.target, "name", settings.target) or "local")
    name = targets(workspace).get(named, named)
    if ADDRESS.fullmatch(name):
        return name
    if name not in TARGETS:
        raise DefinitionError(
            f"compute target {name!r} is not known",
            hint=f"one of {', '.join(TARGETS)}, the address of a Ray cluster, or a name that ComputeTarget.create gave to one",
        )
    asked = settings.docker.use_docker or (settings.environment is not None and settings.environment.docker.enabled)
    return "docker" if asked else name


def snapshot(source: Path, target: Path) -> None:
    """Copy the folder `source` to `target`, without what its `.amlignore` (or `.gitignore`) and version control name."""
    ignored = ignored_by(source)

    def left_out(folder: str, names: list[str]) -> set[str]:
        places = {name: Path(folder) / name for name in names}
        inside = {
            name: f"{place.relative_to(source).as_posix()}{'/' if place.is_dir() else ''}"
            for name, place in places.items()
        }
        return {name for name in names if name in _SKIPPED or ignored.match_file(inside[name])}

    shutil.copytree(source, target, ignore=left_out, symlinks=False)


def _registered(workspace: Workspace, environment: Environment | None) -> RegisteredEnvironment:
    if environment is None:
        return store(workspace, Environment(DEFAULT_ENVIRONMENT))
    if isinstance(environment, EnvironmentReference):
        return find(workspace, str(environment.name), environment.version)
    return store(workspace, environment)


def _command(config: Any) -> tuple[str, ...]:
    arguments = [str(one.path) if isinstance(one, DataReference) else str(one) for one in config.arguments]
    if config.command:
        written = shlex.split(config.command) if isinstance(config.command, str) else map(str, config.command)
        return (*written, *arguments)
    return ("python", config.script, *arguments)


def _data(config: Any) -> list[DataReference]:
    """Return the data that the run reads, wherever it is named."""
    return [
        one
        for one in (*config.arguments, *config.run_config.data_references.values())
        if isinstance(one, DataReference)
    ]


def _execute(task: Task, progress: LogProgress) -> dict[str, Any]:
    found = locked(task.workspace.core, task.environment, progress=progress)
    code = TARGETS.get(task.target, on_cluster)(task, found, progress)
    kept = task.keep_outputs().to_list() if task.config.history.output_collection else []
    if task.canceled:
        return {"files": kept, "exit_code": code, "status": "Canceled"}
    if code != 0:
        task.record.change(files=kept, exit_code=code)
        raise ServiceError(f"the script ended with code {code}")
    return {"files": kept, "exit_code": code}

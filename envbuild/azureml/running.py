"""A run, step by step: copy the folder, register and prepare the environment, start the script, keep what it made."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild import api, programs
from envbuild.azureml.anonymous import ignored_by
from envbuild.azureml.core.environment import Environment, EnvironmentReference
from envbuild.azureml.core.run import KIND, LOG, Run
from envbuild.azureml.core.runconfig import RunConfiguration
from envbuild.azureml.data.data_reference import DataReference
from envbuild.azureml.locking import LockedEnvironment, locked
from envbuild.azureml.ray import ADDRESS, RayJob, job_server, run_job, runtime_environment
from envbuild.azureml.records import LogProgress, Record, guarded, new_id, now
from envbuild.azureml.registered import find, store
from envbuild.core.errors import DefinitionError, ServiceError
from envbuild.core.selection import select
from envbuild.workspace.environments import RegisteredEnvironment
from envbuild.workspace.store import StoredFile, Tree

if TYPE_CHECKING:
    from envbuild.azureml.core.experiment import Experiment
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.engines.protocol import Container, ContainerEngine

TARGETS = ("local", "docker")
_INSIDE = Path(__file__).parent / "inside"
_SKIPPED = {".git", ".envbuild", "__pycache__", ".venv", ".mypy_cache", ".pytest_cache", ".ipynb_checkpoints"}
_IN_CONTAINER = "/mnt/azureml-run"
_ENDED = -signal.SIGTERM


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to run: a command in a folder, in an environment, on a target."""

    record: Record
    workspace: Workspace
    config: RunConfiguration
    command: tuple[str, ...]
    folder: Path
    environment: RegisteredEnvironment
    target: str
    variables: Mapping[str, str]


def start_run(experiment: Experiment, config: Any, tags: dict[str, str]) -> Run:
    """Register the environment, copy the folder, and start the run in a thread of this process; return it at once.

    Raises:
        DefinitionError: there is no such script, or the target is not known.
    """
    config = getattr(config, "script_run_config", config)
    settings: RunConfiguration = config.run_config
    source = Path(config.source_directory)
    if config.script and not (source / config.script).is_file():
        raise DefinitionError(f"{source} has no {config.script}", hint="the script counts from source_directory")
    workspace = experiment.workspace
    target = target_of(settings)
    environment = _registered(workspace, settings.environment)
    record = Record(workspace.core, KIND, new_id(experiment.name))
    folder = record.folder / "snapshot" if settings.history.snapshot_project else source.resolve()
    (record.folder / "control").mkdir(parents=True)
    if settings.history.snapshot_project:
        snapshot(source, folder)
    task = Task(
        record=record,
        workspace=workspace,
        config=settings,
        command=_command(config),
        folder=folder,
        environment=environment,
        target=target,
        variables=settings.environment_variables,
    )
    record.change(
        experiment=experiment.name,
        status="Preparing",
        created=now(),
        pid=os.getpid(),
        environment=environment.id,
        target=target,
        command=list(task.command),
        tags=tags,
        snapshot=workspace.core.store.put_tree(folder).digest if settings.history.snapshot_project else "",
    )
    run = Run(experiment, record.id)
    progress = LogProgress(record.folder / LOG)
    threading.Thread(
        target=guarded, args=(record, progress, lambda: _execute(task, progress), "Completed"), name=record.id
    ).start()
    return run


def target_of(settings: RunConfiguration) -> str:
    """Return where a run goes: `local`, a prefix on this machine, `docker`, a container, or a Ray cluster's address.

    Raises:
        DefinitionError: the target is none of them.
    """
    name = str(getattr(settings.target, "name", settings.target) or "local")
    if ADDRESS.fullmatch(name):
        return name
    if name not in TARGETS:
        raise DefinitionError(
            f"compute target {name!r} is not known",
            hint=f"one of {', '.join(TARGETS)}, or the address of a Ray cluster",
        )
    asked = settings.docker.use_docker or (settings.environment is not None and settings.environment.docker.enabled)
    return "docker" if asked else name


def snapshot(source: Path, target: Path) -> None:
    """Copy the folder `source` to `target`, without what its `.amlignore` (or `.gitignore`) and version control name."""
    patterns = ignored_by(source)

    def left_out(folder: str, names: list[str]) -> set[str]:
        inside = Path(folder).relative_to(source)
        return {
            name
            for name in names
            if name in _SKIPPED
            or any(one.fullmatch(name) or one.fullmatch((inside / name).as_posix()) for one in patterns)
        }

    shutil.copytree(source, target, ignore=left_out, symlinks=False)


def _registered(workspace: Workspace, environment: Environment | None) -> RegisteredEnvironment:
    if environment is None:
        return store(workspace, Environment("default-environment"))
    if isinstance(environment, EnvironmentReference):
        return find(workspace, str(environment.name), environment.version)
    return store(workspace, environment)


def _command(config: Any) -> tuple[str, ...]:
    arguments = [str(one.path) if isinstance(one, DataReference) else str(one) for one in config.arguments]
    if config.command:
        written = shlex.split(config.command) if isinstance(config.command, str) else map(str, config.command)
        return (*written, *arguments)
    return ("python", config.script, *arguments)


def _execute(task: Task, progress: LogProgress) -> dict[str, Any]:
    found = locked(task.workspace.core, task.environment, progress=progress)
    run = {"docker": _in_container, "local": _on_this_machine}.get(task.target, _on_cluster)
    code = run(task, found, progress)
    kept = keep_outputs(task).to_list() if task.config.history.output_collection else []
    if _canceled(task):
        return {"files": kept, "exit_code": code, "status": "Canceled"}
    if code != 0:
        task.record.change(files=kept, exit_code=code)
        raise ServiceError(f"the script ended with code {code}")
    return {"files": kept, "exit_code": code}


def _on_this_machine(task: Task, found: LockedEnvironment, progress: LogProgress) -> int:
    inside = [str(_INSIDE), str(_INSIDE / "names")]
    if found.definition.user_managed:
        python, variables = found.definition.interpreter_path or "python", dict(os.environ)
        python = sys.executable if python == "python" else python
    else:
        environment = api.install(found.lock, root=found.root, progress=progress)
        python, variables = str(environment.python), environment.variables()
        inside.append(str(_INSIDE / "own"))
        variables.pop("PYTHONHOME", None)
    variables["PYTHONPATH"] = os.pathsep.join(inside)
    variables |= {**dict(found.definition.variables), **task.variables, **_about(task, task.record.folder)}
    command = [python if one == "python" and at == 0 else one for at, one in enumerate(task.command)]
    if not _canceled(task):
        task.record.change(status="Running", started=now(), image_key=_image_key(found))
    if _canceled(task):
        return _ENDED
    process = programs.start(command, log=task.record.folder / LOG, cwd=task.folder, env=variables)
    task.record.change(child=process.pid)
    return _code_of(process.poll, task, end=lambda: os.killpg(process.pid, signal.SIGTERM))


def _code_of(poll: Callable[[], int | None], task: Task, *, end: Callable[[], object]) -> int:
    """Wait for the script's code; one that takes longer than it may is ended."""
    limit = time.monotonic() + (task.config.max_run_duration_seconds or float("inf"))
    while (code := poll()) is None:
        if time.monotonic() > limit:
            end()
            raise ServiceError(
                f"the script was ended after {task.config.max_run_duration_seconds} s, as it was asked for"
            )
        time.sleep(0.05)
    return code


def _canceled(task: Task) -> bool:
    return task.record.values.get("status") == "Canceled"


def _on_cluster(task: Task, found: LockedEnvironment, progress: LogProgress) -> int:
    if found.definition.user_managed:
        runtime: dict[str, Any] = {"env_vars": dict(found.definition.variables) | dict(task.variables)}
    else:
        variables = dict(found.definition.variables) | dict(task.variables)
        selection = select(found.lock, found.lock.platforms[0])
        runtime = runtime_environment(selection, found.definition.channels, variables)
    job = RayJob(name=task.record.id, command=task.command, folder=task.folder, runtime=runtime)
    task.record.change(status="Running", started=now(), image_key=_image_key(found))
    return run_job(job_server(task.target), job, log=progress.line, canceled=lambda: _canceled(task))


def _in_container(task: Task, found: LockedEnvironment, progress: LogProgress) -> int:
    from envbuild.azureml.building import build_options
    from envbuild.engines.detect import container_engine
    from envbuild.engines.protocol import RunOptions

    plan = found.plan()
    image = api.image(plan, options=build_options(task.workspace.core), root=found.root, progress=progress)
    engine = container_engine(image.engine)
    places = {str(task.record.folder.resolve()): _IN_CONTAINER, str(_INSIDE): f"{_IN_CONTAINER}-names"}
    folder = f"{_IN_CONTAINER}/snapshot"
    if not task.config.history.snapshot_project:
        places[str(task.folder)] = folder = f"{_IN_CONTAINER}-source"
    names = f"{_IN_CONTAINER}-names"
    variables = {
        **task.variables,
        **_about(task, Path(_IN_CONTAINER)),
        "PYTHONPATH": f"{names}:{names}/names:{names}/own",
        "HOME": "/tmp",  # noqa: S108 - any user may run here, and the image's home is another's
    }
    options = RunOptions(
        name=task.record.id.lower().replace("_", "-"),
        variables=tuple(variables.items()),
        command=_in_image(task, found),
        volumes=tuple(places.items()),
        user=f"{os.getuid()}:{os.getgid()}",
        shm_size=task.config.docker.shm_size or "",
        arguments=("--workdir", folder, *found.definition.run_arguments, *task.config.docker.arguments),
    )
    task.record.change(status="Running", started=now(), image_key=image.key)
    container = engine.start(image.id or image.name, options)
    return _follow(task, engine, container, progress)


def _in_image(task: Task, found: LockedEnvironment) -> tuple[str, ...]:
    """Return the command in the container: the log goes to the run's folder as it comes, and so does the exit code."""
    from envbuild.azureml.building import stored_interpreter

    python = stored_interpreter(found)
    command = [python if one == "python" and at == 0 else one for at, one in enumerate(task.command)]
    script = f'"$@" >> {_IN_CONTAINER}/{LOG} 2>&1; echo $? > {_IN_CONTAINER}/control/exit-code'
    return ("/bin/sh", "-c", script, "run", *command)


def _follow(task: Task, engine: ContainerEngine, container: Container, progress: LogProgress) -> int:
    written = task.record.folder / "control" / "exit-code"

    def poll() -> int | None:
        if _canceled(task):
            return _ENDED
        if engine.running(container):
            return None
        return int(written.read_text()) if written.is_file() else _ENDED

    try:
        code = _code_of(poll, task, end=lambda: None)
        if not written.is_file():
            progress.line(engine.logs(container).rstrip())
        return code
    finally:
        engine.stop(container)


def keep_outputs(task: Task) -> Tree:
    """Keep the files of `outputs/`, `logs/`, further watched folders and uploads in the workspace, content-addressed."""
    files: list[StoredFile] = []
    watched = dict.fromkeys(["outputs", *task.config.history.directories_to_watch])
    places = [(task.folder / one, one) for one in watched] + [(task.record.folder / "control/uploads", "")]
    for folder, name in places:
        for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
            if path.is_file():
                one = task.workspace.core.store.put_file(path)
                files.append(replace(one, path=(Path(name) / path.relative_to(folder)).as_posix()))
    return Tree(files=tuple({one.path: one for one in files}.values()))


def _about(task: Task, folder: Path) -> dict[str, str]:
    return {
        "AZUREML_RUN_ID": task.record.id,
        "AZUREML_RUN_CONTROL": str(folder.absolute() / "control"),
        "AZUREML_EXPERIMENT_NAME": str(task.record.values.get("experiment", "")),
        "AZUREML_ARM_WORKSPACE_NAME": task.workspace.name,
        "PYTHONUNBUFFERED": "1",
    }


def _image_key(found: LockedEnvironment) -> str:
    return found.plan(allow_unpinned_base=True).image_key


def words(values: Mapping[str, Any] | None) -> Sequence[Any]:
    """Return script parameters as arguments; a name without a value stands alone."""
    return [one for name, value in (values or {}).items() for one in ((name, value) if value != "" else (name,))]

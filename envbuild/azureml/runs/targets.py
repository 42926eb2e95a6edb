"""Where a script runs: in a prefix on this machine, in a container, on a Ray cluster. Each returns the script's exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild import api, programs
from envbuild.azureml.environments.locking import LockedEnvironment
from envbuild.azureml.records import LogProgress, now
from envbuild.azureml.runs import inside
from envbuild.azureml.runs.ray import RayJob, job_server, run_job, runtime_environment
from envbuild.azureml.runs.requests import Attendant
from envbuild.azureml.runs.task import ENDED, Task, image_key

if TYPE_CHECKING:
    from envbuild.engines.protocol import Container, ContainerEngine

_IN_CONTAINER = Path("/mnt/azureml-run")
_PYTHON = frozenset({"python", "pip"})


def on_this_machine(task: Task, found: LockedEnvironment, progress: LogProgress) -> int:
    """Run in the locked environment as a prefix, or, where it manages its own packages, with the Python that submits."""
    if found.definition.user_managed:
        python, variables = found.definition.interpreter_path or "python", dict(os.environ)
        python = sys.executable if python == "python" else python
    else:
        environment = found.install(progress)
        python, variables = str(environment.python), environment.variables()
        variables = {name: value for name, value in variables.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    variables |= {**dict(found.definition.variables), **task.variables, **task.about()}
    variables["PYTHONPATH"] = _first(_names(task), variables)
    variables["AZUREML_RUN_CONTROL"] = str(task.control.absolute())
    variables["ENVBUILD_WORKSPACE"] = str(task.workspace.core.folder)
    if not task.canceled:
        task.record.change(status="Running", started=now(), image_key=image_key(found))
    if task.canceled:
        return ENDED
    with Attendant(task) as attendant:
        process = programs.start(task.command_of(python), log=task.log, cwd=task.folder, env=variables)
        task.record.change(child=process.pid)
        end = lambda: os.killpg(process.pid, signal.SIGTERM)  # noqa: E731
        return task.code_of(process.poll, end=end, between=attendant.answer)


def on_cluster(task: Task, found: LockedEnvironment, progress: LogProgress) -> int:
    """Run as a job of a Ray cluster; what the script makes comes back at its end."""
    variables = {**dict(found.definition.variables), **task.variables, **task.about()}
    if found.definition.user_managed:
        runtime: dict[str, Any] = {"env_vars": variables}
    else:
        selection = found.plan(allow_unpinned_base=True, progress=progress).selection
        if {one.name for one in found.definition.conda} <= _PYTHON:
            # the cluster's own Python does, and conda need not be there
            selection = replace(selection, conda=())
        runtime = runtime_environment(selection, found.definition.channels, variables)
    job = RayJob(
        name=task.record.id,
        command=task.command,
        folder=task.folder,
        names=_names(task),
        watched=tuple(task.watched),
        runtime=runtime,
    )
    task.record.change(status="Running", started=now(), image_key=image_key(found))
    done = run_job(job_server(task.target), job, log=progress.line, canceled=lambda: task.canceled)
    if done.files is not None:
        done.files.take(outputs=task.folder, control=task.control)
    return done.code


def in_container(task: Task, found: LockedEnvironment, progress: LogProgress) -> int:
    """Run in a container of the environment's image, as the user that submits."""
    from envbuild.azureml.environments.building import build_options
    from envbuild.engines.detect import container_engine
    from envbuild.engines.protocol import RunOptions

    image = api.image(
        found.plan(progress=progress), options=build_options(task.workspace.core), root=found.root, progress=progress
    )
    engine = container_engine(image.engine)
    _names(task)
    places = {str(task.record.folder.resolve()): str(_IN_CONTAINER), **{str(one): str(one) for one in task.data}}
    folder = str(_IN_CONTAINER / "snapshot")
    if not task.config.history.snapshot_project:
        places[str(task.folder)] = folder = f"{_IN_CONTAINER}-source"
    variables = {
        **task.variables,
        **task.about(),
        "AZUREML_RUN_CONTROL": str(_IN_CONTAINER / "control"),
        "PYTHONPATH": _first(_IN_CONTAINER / "control/names", {**dict(found.definition.variables), **task.variables}),
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
    with Attendant(task) as attendant:
        return _follow(task, engine, engine.start(image.id or image.name, options), progress, attendant)


def _in_image(task: Task, found: LockedEnvironment) -> tuple[str, ...]:
    """Return the command in the container: the log goes to the run's folder as it comes, and so does the exit code."""
    from envbuild.azureml.environments.building import stored_interpreter

    log = _IN_CONTAINER / task.log.relative_to(task.record.folder)
    script = f'"$@" >> {log} 2>&1; echo $? > {_IN_CONTAINER}/control/exit-code'
    return ("/bin/sh", "-c", script, "run", *task.command_of(stored_interpreter(found)))


def _follow(
    task: Task, engine: ContainerEngine, container: Container, progress: LogProgress, attendant: Attendant
) -> int:
    written = task.control / "exit-code"

    def poll() -> int | None:
        if task.canceled:
            return ENDED
        if engine.running(container):
            return None
        return int(written.read_text()) if written.is_file() else ENDED

    try:
        code = task.code_of(poll, end=lambda: None, between=attendant.answer)
        if not written.is_file():
            progress.line(engine.logs(container).rstrip())
        return code
    finally:
        engine.stop(container)


def _first(names: Path, variables: Mapping[str, str]) -> str:
    """Return the PYTHONPATH of `variables` with the folder `names` before all else."""
    return os.pathsep.join(filter(None, [str(names), variables.get("PYTHONPATH")]))


def _names(task: Task) -> Path:
    """Return the folder of the modules that stand first on the script's PYTHONPATH, written."""
    folder = task.control / "names"
    inside.lay_out(folder)
    return folder

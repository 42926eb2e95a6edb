"""What a v2 deployment needs, found or registered in the workspace; then packaged and started."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild import api
from envbuild.azureml.endpoints.own_server import OwnServer, own_server
from envbuild.azureml.endpoints.values import Deployment, EnvironmentSource, OnlineDeployment
from envbuild.azureml.environments.environment import EnvironmentReference
from envbuild.azureml.environments.references import parse_reference
from envbuild.azureml.environments.registered import find
from envbuild.azureml.packaging.inference import InferenceConfig
from envbuild.azureml.packaging.package import packaged, python_of, service_environment
from envbuild.core.errors import DefinitionError, Problem, ServiceError
from envbuild.core.progress import Progress

if TYPE_CHECKING:
    from envbuild.azureml.models.model import Model
    from envbuild.azureml.workspace import Workspace
    from envbuild.engines.protocol import BuildOptions
    from envbuild.workspace.environments import RegisteredEnvironment


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A deployment whose model and environment have names and versions, packaged."""

    package: api.Package
    options: BuildOptions
    models: tuple[str, ...]
    environment: str


def prepare(workspace: Workspace, deployment: Deployment, progress: Progress) -> Ready:
    """Register what the deployment brings along, lock its environment, and return it packaged with our server.

    Raises:
        DefinitionError: its file names something that is not there.
        WorkspaceError: it refers to a model or an environment that is not in the workspace.
        ServiceError: the script cannot be served.
    """
    return _packaged(workspace, deployment, _models(workspace, deployment), progress)


def prepare_online(workspace: Workspace, deployment: OnlineDeployment, progress: Progress) -> Ready | OwnServer:
    """Do what `prepare` does; without a script, an environment with routes of its own is run as it is.

    Raises:
        DefinitionError, WorkspaceError, ServiceError: as `prepare`.
    """
    models = _models(workspace, deployment)
    if deployment.code is None and deployment.environment is not None:
        stored = _environment(workspace, deployment.environment, deployment.file)
        own = own_server(workspace, stored, models)
        if own is not None:
            return own
    return _packaged(workspace, deployment, models, progress)


def _packaged(workspace: Workspace, deployment: Deployment, models: Sequence[Model], progress: Progress) -> Ready:
    inference = None
    if deployment.code is not None:
        if deployment.environment is None:
            raise DefinitionError(f"deployment {deployment.name} names no environment")
        stored = _environment(workspace, deployment.environment, deployment.file)
        inference = InferenceConfig(
            deployment.scoring_script,
            source_directory=deployment.code,
            environment=EnvironmentReference(stored.name, stored.version),
        )
        framework = ""
    else:
        stored, framework = service_environment(workspace, models, None)
        if deployment.environment is not None:
            stored = _environment(workspace, deployment.environment, deployment.file)
    made = packaged(workspace, stored, models, inference, framework, progress)
    return _ready(workspace, made, models, stored)


def _ready(workspace: Workspace, made: api.Package, models: Sequence[Model], stored: RegisteredEnvironment) -> Ready:
    from envbuild.azureml.environments.building import build_options

    options = build_options(workspace.core)
    return Ready(package=made, options=options, models=tuple(one.id for one in models), environment=stored.id)


def prepare_configured(workspace: Workspace, configuration: Path, models: Sequence[str], progress: Progress) -> Ready:
    """Return registered `models` and the script of an `inferenceconfig.json`, packaged.

    Raises:
        DefinitionError: the file is not understood.
        WorkspaceError: a model is not in the workspace.
        ServiceError: the script cannot be served.
    """
    from envbuild.azureml.models.model import Model

    inference = InferenceConfig.from_file(configuration)
    found = [Model(workspace, id=one) for one in models]
    stored, framework = service_environment(workspace, found, inference)
    made = packaged(workspace, stored, found, inference, framework, progress)
    return _ready(workspace, made, found, stored)


def _models(workspace: Workspace, deployment: Deployment) -> list[Model]:
    from envbuild.azureml.models.model import Model

    source = deployment.model
    if source is None:
        return []
    if source.reference:
        name, version, _ = parse_reference(source.reference)
        return [Model(workspace, name, version=version)]
    if source.path is None or not source.path.exists():
        message = f"{source.path} of deployment {deployment.name} does not exist"
        raise DefinitionError(Problem(message=message, file=str(deployment.file), key="model.path"))
    made = Model.register(
        workspace, source.path, source.name or deployment.name, tags=dict(source.tags), description=source.description
    )
    return [made]


def _environment(workspace: Workspace, source: EnvironmentSource, file: Path) -> RegisteredEnvironment:
    from envbuild.azureml.environments.environment_yaml import load_environment, register

    if source.reference:
        return find(workspace, *parse_reference(source.reference))
    if source.path is not None:
        return register(workspace.core, load_environment(source.path))
    return register(workspace.core, load_environment(file, source.place))


def start(
    ready: Ready | OwnServer, deployment: OnlineDeployment, folder: Path, name: str, *, engine: str, progress: Progress
) -> dict[str, Any]:
    """Start the deployment and return where it answers: `url`, and `pid` and `port`, or `container` and `engine`.

    `engine` is `local` (a process of this machine) or a container engine; empty, it is `local` for our server, and the first
    that works for an image with its own. `folder` is the deployment's own.

    Raises:
        ServiceError: it ended, or did not answer in time; with the end of its log.
        EngineError: there is no such engine, or the image cannot be built.
    """
    if isinstance(ready, OwnServer):
        with progress.step(f"deployment {deployment.name}"):
            return ready.start(deployment, folder, name, engine=engine, progress=progress)
    variables = {**dict(ready.package.plan.definition.variables), **_variables(deployment)}
    with progress.step(f"deployment {deployment.name}"):
        if engine in ("", "local"):
            return _as_process(ready.package, folder, variables, deployment.start_limit, progress)
        return _as_container(ready, deployment, name, variables, engine, progress)


def _variables(deployment: OnlineDeployment) -> dict[str, str]:
    found = dict(deployment.variables)
    workers = found.get("WORKER_COUNT", "1")
    if workers.isdigit():
        # every instance is that many workers, of one server on this machine
        found["WORKER_COUNT"] = str(deployment.instances * int(workers))
    if deployment.timeout_ms:
        found.setdefault("SCORING_TIMEOUT_MS", str(deployment.timeout_ms))
    return found


def _as_process(
    made: api.Package, folder: Path, variables: Mapping[str, str], start_limit: float, progress: Progress
) -> dict[str, Any]:
    from envbuild.azureml.services.targets import free_port
    from envbuild.engines.local_service import start_service

    if made.plan.app is None:
        raise ServiceError("there is nothing to serve")
    python = python_of(made, progress)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    service = start_service(
        made.plan.app, python, folder, port=free_port(), variables=variables, start_limit=start_limit
    )
    return {"url": service.url, "pid": service.pid, "port": service.port, "folder": str(folder), "container": ""}


def _as_container(
    ready: Ready,
    deployment: OnlineDeployment,
    name: str,
    variables: Mapping[str, str],
    engine_name: str,
    progress: Progress,
) -> dict[str, Any]:
    from envbuild.engines.container_service import start_service_container
    from envbuild.engines.detect import container_engine
    from envbuild.engines.protocol import RunOptions

    plan, engine = ready.package.plan, container_engine(engine_name)
    image = api.image(plan, engine=engine.name, options=ready.options, root=ready.package.root, progress=progress)
    options = RunOptions(
        name=name,
        ports=((plan.config.port, 0),),
        variables=tuple(variables.items()),
        labels=(("envbuild.deployment", name),),
        memory=deployment.memory,
        cpus=deployment.cpus,
        arguments=plan.definition.run_arguments,
    )
    container = start_service_container(
        engine,
        image.id or image.name,
        options,
        port=plan.config.port,
        health=plan.config.health,
        limit=deployment.start_limit,
    )
    return {
        "url": container.url(plan.config.port),
        "pid": None,
        "container": container.id,
        "engine": engine.name,
        "image": image.name,
    }


def stop(running: Mapping[str, Any]) -> None:
    """End what `start` started; what is gone already is no error."""
    if running.get("container"):
        from envbuild.engines.detect import container_engine
        from envbuild.engines.protocol import Container

        engine = container_engine(str(running["engine"]))
        engine.stop(Container(id=str(running["container"]), engine=engine.name))
    elif running.get("pid"):
        from envbuild.engines.local_service import LocalService

        folder = Path(running["folder"])
        LocalService(pid=running["pid"], port=running["port"], log=folder / "service.log", folder=folder).stop()
    if running.get("folder"):
        shutil.rmtree(running["folder"], ignore_errors=True)


def log_of(running: Mapping[str, Any]) -> str:
    """Return what a started deployment said so far."""
    if running.get("container"):
        from envbuild.engines.detect import container_engine
        from envbuild.engines.protocol import Container

        engine = container_engine(str(running["engine"]))
        return engine.logs(Container(id=str(running["container"]), engine=engine.name))
    with contextlib.suppress(OSError, KeyError):
        return (Path(running["folder"]) / "service.log").read_text(encoding="utf-8", errors="replace")
    return ""

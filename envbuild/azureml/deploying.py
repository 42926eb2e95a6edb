"""From a package to a service that answers: a process of this machine, or a container."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild import api
from envbuild.azureml.aks import AksServiceDeploymentConfiguration, AksWebservice, apply, remove
from envbuild.azureml.inference import InferenceConfig
from envbuild.azureml.packaging import packaged, service_environment
from envbuild.azureml.records import LogProgress, Record, now
from envbuild.azureml.services import (
    KIND,
    AciServiceDeploymentConfiguration,
    AciWebservice,
    LocalWebservice,
    LocalWebserviceDeploymentConfiguration,
    Webservice,
    write_keys,
)
from envbuild.core.errors import EnvbuildError, ServiceError
from envbuild.files import exclusive
from envbuild.workspace.environments import RegisteredEnvironment

if TYPE_CHECKING:
    from envbuild.azureml.core.model import Model
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.engines.protocol import Container

Deployment = (
    LocalWebserviceDeploymentConfiguration | AciServiceDeploymentConfiguration | AksServiceDeploymentConfiguration
)
_NAME = re.compile(r"[a-z](?:[a-z0-9_-]{1,30}[a-z0-9])")
_KEYS_IN_CONTAINER = "/run/envbuild-keys"


def deploy(
    workspace: Workspace,
    name: str,
    models: Sequence[Model],
    inference: InferenceConfig | None,
    deployment: Deployment | None,
    *,
    overwrite: bool = False,
) -> Webservice:
    """Register the environment and start the service in a thread; see `Model.deploy`.

    Raises:
        ServiceError: the name is not accepted, or taken (unless `overwrite`), or there is nothing that could be served.
    """
    if not _NAME.fullmatch(name):
        raise ServiceError(
            f"{name!r} cannot name a service",
            hint="3 to 32 of a-z, 0-9, '-' and '_', a letter first, no '-' or '_' last",
        )
    chosen = deployment or LocalWebserviceDeploymentConfiguration()
    stored, framework = service_environment(workspace, models, inference)
    record = Record(workspace.core, KIND, name)
    record.folder.mkdir(parents=True, exist_ok=True)
    with exclusive(record.folder.with_name(f".{name}.lock")):
        if record.values and not overwrite:
            raise ServiceError(f"there is a service {name} already", hint="say overwrite=True, or delete it")
        if record.values:
            end(Webservice.of(workspace, name))
        auth = bool(getattr(chosen, "auth_enabled", False))
        if auth:
            write_keys(record)
        kind = _kind(chosen)
        workspace.core.catalogue.delete_record(KIND, name)
        record.change(
            status="Transitioning",
            compute_type=kind.compute_type,
            deployment=asdict(chosen),
            auth_enabled=auth,
            port=chosen.port or free_port(),
            created=now(),
        )
    _start(workspace, record, models, inference, stored, framework)
    return kind(workspace, name)


def _kind(deployment: Deployment) -> type[Webservice]:
    if isinstance(deployment, AksServiceDeploymentConfiguration):
        return AksWebservice
    return AciWebservice if isinstance(deployment, AciServiceDeploymentConfiguration) else LocalWebservice


def redeploy(service: Webservice, models: Sequence[Model] | None, inference: InferenceConfig | None) -> None:
    """End the service and start it again, with what is given in the place of what it had."""
    from envbuild.azureml.core.environment import EnvironmentReference
    from envbuild.azureml.core.model import Model

    values = service.record.values
    chosen = list(models) if models is not None else [Model(service.workspace, id=one) for one in values["models"]]
    if inference is None and values.get("entry_script"):
        name, _, version = str(values["environment"]).partition(":")
        inference = InferenceConfig(
            values["entry_script"],
            source_directory=values.get("source_directory"),
            environment=EnvironmentReference(name, version),
        )
    stored, framework = service_environment(service.workspace, chosen, inference)
    end(service)
    service.record.change(status="Transitioning", error="", pid=None, container="")
    _start(service.workspace, service.record, chosen, inference, stored, framework)


def end(service: Webservice) -> None:
    """End the process or the container of a service, if it runs."""
    values = service.record.values
    remove(service.record)
    if values.get("container"):
        _engine(values).stop(_container(values))
    elif isinstance(values.get("service_pid"), int):
        from envbuild.engines.local_service import LocalService

        folder = service.record.folder
        LocalService(pid=values["service_pid"], port=service.port, log=folder / "service.log", folder=folder).stop()


def service_log(service: Webservice) -> str:
    """Return what the deployment and then the service said so far."""
    values = service.record.values
    deployed = service.record.folder / "deploy.log"
    if values.get("container"):
        return str(_engine(values).logs(_container(values)))
    log = service.record.folder / "app" / "service.log"
    found = log if log.is_file() else deployed
    return found.read_text(encoding="utf-8", errors="replace") if found.is_file() else ""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(
    workspace: Workspace,
    record: Record,
    models: Sequence[Model],
    inference: InferenceConfig | None,
    stored: RegisteredEnvironment,
    framework: str,
) -> None:
    record.change(
        pid=os.getpid(),
        environment=stored.id,
        models=[one.id for one in models],
        entry_script=_script(inference),
        source_directory=inference.source_directory if inference is not None else None,
    )
    progress = LogProgress(record.folder / "deploy.log")

    def work() -> None:
        try:
            made = packaged(workspace, stored, models, inference, framework, progress)
            record.change(**{"status": "Healthy", **_started(record, made, progress)})
        except EnvbuildError as error:
            progress.line(f"error: {error}")
            record.change(status="Failed", error=str(error))
        except BaseException as error:
            # whatever ends the work, nobody shall wait for it for ever
            record.change(status="Failed", error=f"a defect in envbuild: {error!r}")
            raise

    threading.Thread(target=work, name=record.id).start()


def _started(record: Record, made: api.Package, progress: LogProgress) -> dict[str, Any]:
    values = record.values
    deployment = values["deployment"]
    if values["compute_type"] == AksWebservice.compute_type:
        return _in_cluster(record, made, progress)
    if deployment.get("use_docker", "cpu_cores" in deployment):
        return _in_container(record, made, progress)
    return _as_process(record, made, progress)


def _in_cluster(record: Record, made: api.Package, progress: LogProgress) -> dict[str, Any]:
    from envbuild.azureml.building import build_options

    registry = record.workspace.registry
    if not registry:
        raise ServiceError(
            "the cluster takes the image from a registry, and the workspace has none",
            hint="workspace.container_registry = 'host:5000/name'",
        )
    name = f"{registry}/{made.plan.image_name}"
    options = build_options(record.workspace, push=True)
    api.image(made.plan, tags=(name,), options=options, root=made.root, progress=progress)
    return apply(record, name, AksServiceDeploymentConfiguration(**record.values["deployment"]), progress)


def _script(inference: InferenceConfig | None) -> str:
    """Return the script's path, absolute where it stands alone, so that a later reload finds it from anywhere."""
    if inference is None:
        return ""
    alone = inference.source_directory is None
    return str(Path(inference.entry_script).resolve()) if alone else inference.entry_script


def _as_process(record: Record, made: api.Package, progress: LogProgress) -> dict[str, Any]:
    import shutil

    from envbuild.engines.local_service import start_service

    plan = made.plan
    if plan.app is None:
        raise ServiceError("there is nothing to serve")
    if plan.definition.user_managed:
        python = Path(sys.executable)
    else:
        python = api.install(plan.lock, definition=plan.definition, root=made.root, progress=progress).python
    folder = record.folder / "app"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    variables = {**dict(plan.definition.variables), **_auth(record, str(record.folder / "keys"))}
    with progress.step(f"service {record.id}"):
        service = start_service(plan.app, python, folder, port=record.values["port"], variables=variables)
    return {"pid": service.pid, "service_pid": service.pid, "container": ""}


def _in_container(record: Record, made: api.Package, progress: LogProgress) -> dict[str, Any]:
    from envbuild.azureml.building import build_options
    from envbuild.engines.detect import container_engine
    from envbuild.engines.local_service import wait_until_healthy
    from envbuild.engines.protocol import RunOptions

    plan, values = made.plan, record.values
    image = api.image(plan, options=build_options(record.workspace), root=made.root, progress=progress)
    engine = container_engine(image.engine)
    keys = record.folder / "keys"
    limits = values["deployment"]
    if values["auth_enabled"]:
        # the image's user is another than the one who deploys; the folder above stays closed to others
        keys.chmod(0o644)
    options = RunOptions(
        name=record.id,
        ports=((plan.config.port, values["port"]),),
        variables=tuple(_auth(record, _KEYS_IN_CONTAINER).items()),
        labels=(("envbuild.service", record.id), ("envbuild.models", ",".join(values["models"]))),
        volumes=((str(keys.resolve()), _KEYS_IN_CONTAINER),) if values["auth_enabled"] else (),
        memory=f"{int(limits['memory_gb'] * 1024)}m" if "memory_gb" in limits else "",
        cpus=float(limits.get("cpu_cores", 0)),
        arguments=plan.definition.run_arguments,
    )
    with progress.step(f"service {record.id} in {engine.name}"):
        container = engine.start(image.id or image.name, options)
        try:
            wait_until_healthy(
                f"{container.url(plan.config.port)}{plan.config.health}",
                alive=lambda: engine.running(container),
                log=lambda: engine.logs(container),
            )
        except BaseException:
            engine.stop(container)
            raise
    return {"pid": None, "container": container.id, "engine": engine.name, "image": image.name}


def _auth(record: Record, path: str) -> dict[str, str]:
    return {"ENVBUILD_AUTH_KEYS_FILE": path} if record.values.get("auth_enabled") else {}


def _engine(values: dict[str, Any]) -> Any:
    from envbuild.engines.detect import container_engine

    return container_engine(str(values["engine"]))


def _container(values: dict[str, Any]) -> Container:
    from envbuild.engines.protocol import Container

    return Container(id=str(values["container"]), engine=str(values["engine"]))

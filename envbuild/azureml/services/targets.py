"""Where services run: a process of this machine, a container, a cluster; started, read and ended there."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild import api
from envbuild.azureml.packaging.package import python_of
from envbuild.azureml.records import LogProgress, Record
from envbuild.azureml.services.secrets import IN_CONTAINER, ServiceSecrets
from envbuild.core.errors import ServiceError

if TYPE_CHECKING:
    from envbuild.engines.protocol import Container

_DATA_IN_CONTAINER = "/var/envbuild-data"


def start(record: Record, made: api.Package, progress: LogProgress) -> dict[str, Any]:
    """Start what `record` says, and return what it says then.

    Raises:
        ServiceError: it did not start; with the end of its log.
    """
    values = record.values
    deployment = values["deployment"]
    if values["compute_type"] == "AKS":
        return _in_cluster(record, made, progress)
    if deployment.get("use_docker", "cpu_cores" in deployment):
        short = _too_large(deployment)
        if short:
            progress.line(f"error: {short}")
            return {"status": "Unschedulable", "error": short, "pid": None}
        return _in_container(record, made, progress)
    if values.get("own_image"):
        raise ServiceError("a service that is a process runs no image", hint="deploy it with use_docker=True")
    return _as_process(record, made, progress)


def stop(record: Record) -> None:
    """End what runs for `record`, if anything does."""
    from envbuild.azureml.services.aks import remove

    values = record.values
    remove(record)
    if values.get("container"):
        _engine(values).stop(_container(values))
    elif isinstance(values.get("service_pid"), int):
        from envbuild.engines.local_service import LocalService

        log = record.folder / "app" / "service.log"
        LocalService(pid=values["service_pid"], port=int(values["port"]), log=log, folder=record.folder).stop()


def log_of(record: Record) -> str:
    """Return what the service said so far, or an empty text."""
    from envbuild.azureml.services.aks import cluster_log

    values = record.values
    if values.get("container"):
        return str(_engine(values).logs(_container(values)))
    if values.get("applied"):
        return cluster_log(record)
    log = record.folder / "app" / "service.log"
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_variables(record: Record, folder: str, data: str) -> dict[str, str]:
    """Return what the server is told by the service's settings; `folder` has its secrets, `data` takes what is recorded."""
    settings = record.values["deployment"]
    found = ServiceSecrets(record).variables(folder)
    if settings.get("enable_app_insights"):
        found["ENVBUILD_REQUEST_LOG"] = f"{data}/requests.jsonl"
    if settings.get("collect_model_data"):
        found["ENVBUILD_MODEL_DATA"] = f"{data}/model-data"
    return found


def _data_folder(record: Record) -> Path:
    """Return the folder for what the service records: a container's user, who is another, may write; who may see it is above."""
    closed = record.folder / "data"
    found = closed / "files"
    found.mkdir(parents=True, exist_ok=True)
    closed.chmod(0o700)
    found.chmod(0o777)
    return found


def _too_large(deployment: dict[str, Any]) -> str:
    """Return why this machine is too small for the limits that are asked for, or an empty text."""
    cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    asked = (("cpu_cores", cores, "cores"), ("memory_gb", memory, "GB"))
    return "; ".join(
        f"{key}: {deployment[key]:g} {unit} are asked for, and this machine has {there:.4g}"
        for key, there, unit in asked
        if deployment.get(key, 0) > there
    )


def _in_cluster(record: Record, made: api.Package, progress: LogProgress) -> dict[str, Any]:
    from envbuild.azureml.environments.building import build_options
    from envbuild.azureml.services.aks import apply
    from envbuild.azureml.services.deployment_configs import AksServiceDeploymentConfiguration

    config = AksServiceDeploymentConfiguration(**record.values["deployment"])
    own = str(record.values.get("own_image") or "")
    if own:
        return apply(record, own, config, progress)
    registry = record.workspace.registry
    if not registry:
        raise ServiceError(
            "the cluster takes the image from a registry, and the workspace has none",
            hint="workspace.container_registry = 'host:5000/name'",
        )
    name = f"{registry}/{made.plan.image_name}"
    options = build_options(record.workspace, push=True)
    api.image(made.plan, tags=(name,), options=options, root=made.root, progress=progress)
    return apply(record, name, config, progress)


def _as_process(record: Record, made: api.Package, progress: LogProgress) -> dict[str, Any]:
    from envbuild.engines.local_service import start_service

    plan, port = made.plan, int(record.values["port"])
    if plan.app is None:
        raise ServiceError("there is nothing to serve")
    python = python_of(made, progress)
    folder = record.folder / "app"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    data = _data_folder(record)
    variables = {**dict(plan.definition.variables), **server_variables(record, "", str(data.resolve()))}
    with progress.step(f"service {record.id}"):
        service = start_service(plan.app, python, folder, port=port, variables=variables)
    return {"pid": service.pid, "service_pid": service.pid, "container": ""}


def _in_container(record: Record, made: api.Package, progress: LogProgress) -> dict[str, Any]:
    from envbuild.azureml.environments.building import build_options
    from envbuild.engines.container_service import start_service_container
    from envbuild.engines.detect import container_engine
    from envbuild.engines.protocol import RunOptions

    plan, values = made.plan, record.values
    limits, secrets = values["deployment"], ServiceSecrets(record)
    name = str(values.get("own_image") or "")
    if name:
        engine = container_engine("auto")
    else:
        image = api.image(plan, options=build_options(record.workspace), root=made.root, progress=progress)
        engine, name = container_engine(image.engine), image.id or image.name
    data = _data_folder(record)
    options = RunOptions(
        name=record.id,
        ports=((plan.config.port, values["port"]),),
        variables=tuple(server_variables(record, IN_CONTAINER, _DATA_IN_CONTAINER).items()),
        labels=(("envbuild.service", record.id), ("envbuild.models", ",".join(values["models"]))),
        volumes=((str(secrets.folder.resolve()), IN_CONTAINER), (str(data.resolve()), _DATA_IN_CONTAINER)),
        memory=f"{int(limits['memory_gb'] * 1024)}m" if "memory_gb" in limits else "",
        cpus=float(limits.get("cpu_cores", 0)),
        arguments=plan.definition.run_arguments,
    )
    with progress.step(f"service {record.id} in {engine.name}"):
        container = start_service_container(
            engine,
            name,
            options,
            port=plan.config.port,
            health=plan.config.health,
            trust=secrets.certificate,
        )
    return {"pid": None, "container": container.id, "engine": engine.name, "image": name}


def _engine(values: dict[str, Any]) -> Any:
    from envbuild.engines.detect import container_engine

    return container_engine(str(values["engine"]))


def _container(values: dict[str, Any]) -> Container:
    from envbuild.engines.protocol import Container

    return Container(id=str(values["container"]), engine=str(values["engine"]))

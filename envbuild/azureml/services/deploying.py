"""From a package to a service: deployed, changed, ended; the record says where it is."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.azureml.packaging.inference import InferenceConfig
from envbuild.azureml.packaging.package import packaged, service_environment
from envbuild.azureml.records import LogProgress, Record, now
from envbuild.azureml.services.aks_endpoint import AksEndpoint, AksEndpointDeploymentConfiguration, make_endpoint
from envbuild.azureml.services.deployment_configs import Common, LocalWebserviceDeploymentConfiguration
from envbuild.azureml.services.kinds import config_of, kind_for
from envbuild.azureml.services.secrets import ServiceSecrets
from envbuild.azureml.services.targets import free_port, log_of, start, stop
from envbuild.azureml.services.webservice import KIND, Webservice
from envbuild.core.errors import EnvbuildError, ServiceError
from envbuild.files import exclusive
from envbuild.workspace.environments import RegisteredEnvironment

if TYPE_CHECKING:
    from envbuild.azureml.models.model import Model
    from envbuild.azureml.workspace import Workspace

Deployment = Common
_NAME = re.compile(r"[a-z](?:[a-z0-9_-]{1,30}[a-z0-9])")


def deploy(
    workspace: Workspace,
    name: str,
    models: Sequence[Model],
    inference: InferenceConfig | None,
    deployment: Common | None,
    *,
    overwrite: bool = False,
    version_of: str = "",
) -> Webservice:
    """Register the environment and start the service in a thread; see `Model.deploy`. `version_of` names its endpoint.

    Raises:
        ServiceError: the name is not accepted, or taken (unless `overwrite`), or there is nothing that could be served.
    """
    if not version_of and not _NAME.fullmatch(name):
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
            before = Webservice.of(workspace, name)
            before.delete() if isinstance(before, AksEndpoint) else end(before)
        workspace.core.catalogue.delete_record(KIND, name)
        (record.folder / "deploy.log").unlink(missing_ok=True)
        if isinstance(chosen, AksEndpointDeploymentConfiguration):
            make_endpoint(workspace, name, chosen)
        else:
            _record(record, chosen, version_of)
    if isinstance(chosen, AksEndpointDeploymentConfiguration):
        endpoint = AksEndpoint(workspace, name)
        first = chosen.version_name or "default"
        endpoint.create_version(first, models, inference, chosen.traffic_percentile, is_default=True)
        return endpoint
    _start(record, workspace, models, inference, stored, framework)
    return kind_for(chosen)(workspace, name)


def _record(record: Record, config: Common, version_of: str) -> None:
    keep(record, config)
    record.change(
        status="Transitioning",
        compute_type=kind_for(config).compute_type,
        port=config.port or free_port(),
        created=now(),
        version_of=version_of,
    )


def keep(record: Record, config: Common) -> None:
    """Keep how the service is deployed; keys and certificates go to files of their own."""
    secrets = ServiceSecrets(record)
    secrets.write(
        keys=config.uses_keys,
        tokens=config.uses_tokens,
        given=(config.primary_key, config.secondary_key),
        certificate=config.certificate,
    )
    kept = replace(config, primary_key=None, secondary_key=None)
    if config.uses_tls:
        places = {name: str(secrets.folder / name) for name in ("cert.pem", "key.pem")}
        kept = replace(kept, ssl_cert_pem_file=places["cert.pem"], ssl_key_pem_file=places["key.pem"])
    record.change(deployment=asdict(kept), auth_enabled=kept.uses_keys, token_auth_enabled=kept.uses_tokens)


def change_settings(service: Webservice, given: Mapping[str, Any], config: Common | None) -> Common:
    """Return how the service is deployed from now on, and keep that: `config` where it is given, and `given` over it.

    Raises:
        DefinitionError: a setting is not known, or out of its range.
    """
    before = asdict(config) if config is not None else dict(service.settings)
    changed = {**before, **given}
    if "properties" in given:
        changed["properties"] = {**given["properties"], **service.properties}
    new = config_of(service.compute_type, changed)
    keep(service.record, new)
    service.record.change(updated=now())
    return new


def redeploy(
    service: Webservice,
    config: Common,
    models: Sequence[Model] | None,
    inference: InferenceConfig | None,
    image: Any = None,
) -> None:
    """End the service and start it again, with what is given in the place of what it had."""
    from envbuild.azureml.environments.environment import EnvironmentReference
    from envbuild.azureml.models.model import Model

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
    own = str(getattr(image, "location", image) or "")
    if models is None and not own:
        own = str(values.get("own_image", ""))
    end(service)
    (service.record.folder / "deploy.log").unlink(missing_ok=True)
    port = config.port or service.port
    service.record.change(status="Transitioning", error="", pid=None, container="", own_image=own, port=port)
    _start(service.record, service.workspace, chosen, inference, stored, framework)


def end(service: Webservice) -> None:
    """End the process, the container or the objects of a service, if there are any."""
    stop(service.record)


def service_log(service: Webservice) -> str:
    """Return what the service said so far; where it never started, what its deployment did."""
    return log_of(service.record) or deployment_log(service)


def deployment_log(service: Webservice) -> str:
    """Return what the deployment of the service did."""
    path = service.record.folder / "deploy.log"
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _start(
    record: Record,
    workspace: Workspace,
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
            record.change(**{"status": "Healthy", **start(record, made, progress)})
            if record.values.get("version_of"):
                AksEndpoint(workspace, record.values["version_of"]).route()
        except EnvbuildError as error:
            progress.line(f"error: {error}")
            record.change(status="Failed", error=str(error))
        except BaseException as error:
            # whatever ends the work, nobody shall wait for it for ever
            record.change(status="Failed", error=f"a defect in envbuild: {error!r}")
            raise

    threading.Thread(target=work, name=record.id).start()


def _script(inference: InferenceConfig | None) -> str:
    """Return the script's path, absolute where it stands alone, so that a later reload finds it from anywhere."""
    if inference is None:
        return ""
    alone = inference.source_directory is None
    return str(Path(inference.entry_script).resolve()) if alone else inference.entry_script

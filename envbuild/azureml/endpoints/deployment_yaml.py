"""v2's YAML of endpoints and deployments, online and batch: read and checked; nothing is done yet."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from envbuild.app import MOUNT
from envbuild.azureml.endpoints.values import (
    BatchDeployment,
    Endpoint,
    EnvironmentSource,
    ModelSource,
    OnlineDeployment,
)
from envbuild.azureml.models.model_yaml import KINDS
from envbuild.read.azure_v2 import check_routes
from envbuild.read.findings import Findings, fatal
from envbuild.read.nodes import Node, only_keys, table, text
from envbuild.read.yaml_nodes import read_yaml

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}[A-Za-z0-9]|[A-Za-z]")
_PLACEHOLDER = re.compile(r"<[A-Za-z_ -]+>|\{\{.*?\}\}|\$\{[A-Za-z_]+\}")
_SHARED = (
    *("$schema", "name", "endpoint_name", "type", "description", "tags", "properties", "model", "environment"),
    *("code_configuration", "environment_variables", "resources"),
)
_ONLINE = (
    *("instance_type", "instance_count", "request_settings", "liveness_probe", "readiness_probe", "scale_settings"),
    *("app_insights_enabled", "model_mount_path", "egress_public_network_access", "private_network_connection"),
    *("data_collector", "resource_requirements", "startup_probe"),
)
_BATCH_SETTINGS = (
    *("mini_batch_size", "max_concurrency_per_instance", "output_action", "output_file_name", "retry_settings"),
    *("error_threshold", "logging_level"),
)
_BATCH = (*_BATCH_SETTINGS, "settings", "compute")
_ENDPOINT = (
    *("$schema", "name", "type", "auth_mode", "traffic", "mirror_traffic", "description", "tags", "properties"),
    *("identity", "target", "compute", "public_network_access", "defaults", "deployments", "swagger_uri", "kind"),
)
_NO_EFFECT = (
    *("instance_type", "app_insights_enabled", "egress_public_network_access", "private_network_connection"),
    *("data_collector", "compute", "identity", "target", "public_network_access", "properties"),
)


def read_deployments(path: Path) -> Endpoint | OnlineDeployment | BatchDeployment:
    """Return the endpoint or the deployment that the YAML file `path` says.

    Raises:
        DefinitionError: every problem of the file; or it is something else.
    """
    findings = Findings()
    root = read_yaml(path, findings)
    if not root.is_map:
        raise fatal("is neither an endpoint nor a deployment: a map is needed", file=str(path))
    found = _read(root, path, findings)
    return replace(found, notes=findings.close())


def _read(root: Node, path: Path, findings: Findings) -> Endpoint | OnlineDeployment | BatchDeployment:
    schema = text(root.get("$schema"), findings).lower()
    other = {"command", "jobs", "trial", "task", "inputs", "component"} & set(root.keys())
    if other:
        raise fatal(
            f"is neither an endpoint nor a deployment: it has {', '.join(sorted(other))}",
            file=str(path),
            hint="`envbuild run` runs a command job; pipelines and components have no meaning here",
        )
    if {"deployments", "traffic", "auth_mode", "defaults"} & set(root.keys()):
        return _endpoint(root, path, findings, batch="batchendpoint" in schema)
    if "batch" in schema or {"mini_batch_size", "settings"} & set(root.keys()):
        return _batch(root, path, findings)
    if {"model", "code_configuration", "endpoint_name", "instance_type"} & set(root.keys()):
        return _online(root, path, findings)
    raise fatal("is neither an endpoint nor a deployment", file=str(path), hint="a deployment names its endpoint_name:")


def _endpoint(root: Node, path: Path, findings: Findings, *, batch: bool) -> Endpoint:
    only_keys(root, _ENDPOINT, findings, what="an endpoint")
    _say_no_effect(root, findings)
    mode = text(root.get("auth_mode"), findings).lower() or ("aad_token" if batch else "key")
    if mode not in ("key", "aml_token", "aad_token"):
        findings.refuse(root.get("auth_mode").origin, f"{mode!r} is not known", "key, aml_token or aad_token")
    written = root.get("deployments")
    inline = [(text(one.get("name"), findings), one) for one in written] or list(written.items())
    deployments = [_online(one, path, findings, name=name, inline=True) for name, one in inline]
    # the first years of v2 left the name to the command line
    name = _name(root, "name", findings) if root.has("name") else path.resolve().parent.name
    traffic = _percents(root.get("traffic"), findings)
    known = {one.name for one in deployments}
    for key, value in root.get("traffic").items():
        if known and key not in known:
            findings.refuse(value.origin, f"there is no deployment {key}", f"there are {', '.join(sorted(known))}")
    if traffic and sum(traffic.values()) not in (0, 100):
        total = sum(traffic.values())
        findings.refuse(root.get("traffic").origin, f"adds up to {total}", "percents add up to 100, or all are 0")
    return Endpoint(
        name=name,
        file=path,
        batch=batch,
        auth_mode=mode,
        traffic=traffic,
        mirror_traffic=_percents(root.get("mirror_traffic"), findings),
        default=text(root.get("defaults", "deployment_name"), findings),
        deployments=tuple(deployments),
        description=text(root.get("description"), findings),
        tags=_texts(root.get("tags"), findings),
    )


def _percents(node: Node, findings: Findings) -> dict[str, int]:
    return {key: _number(value, findings, least=0, most=100) for key, value in table(node, findings)}


def _online(root: Node, path: Path, findings: Findings, *, name: str = "", inline: bool = False) -> OnlineDeployment:
    only_keys(root, (*_SHARED, *_ONLINE), findings, what="an online deployment")
    _say_no_effect(root, findings)
    settings = root.get("request_settings")
    only_keys(
        settings,
        ("request_timeout_ms", "max_concurrent_requests_per_instance", "max_queue_wait_ms"),
        findings,
        what="request_settings",
    )
    for key in ("max_concurrent_requests_per_instance", "max_queue_wait_ms"):
        if settings.has(key):
            _number(settings.get(key), findings, least=1)
            findings.note(settings.get(key).origin, "has no effect: requests wait for their turn")
    shared = _shared(root, path, findings, name=name, inline=inline, own_servers=True)
    mount = text(root.get("model_mount_path"), findings).strip()
    if mount and not MOUNT.fullmatch(mount):
        findings.refuse(
            root.get("model_mount_path").origin, f"{mount!r} is no folder of a container", "an absolute path"
        )
    cpus, memory = _resources(root, findings)
    scale = root.get("scale_settings")
    if scale:
        findings.note(scale.origin, "does not scale here: the least number of instances runs")
    counted = next(
        (one for one in (root.get("instance_count"), scale.get("instance_count"), scale.get("min_instances")) if one),
        None,
    )
    return OnlineDeployment(
        **shared,
        instances=_number(counted, findings, least=1, most=64) if counted is not None else 1,
        timeout_ms=_number(settings.get("request_timeout_ms"), findings, least=1, default=0),
        start_limit=max(_probe(root.get(f"{one}_probe"), findings) for one in ("liveness", "readiness", "startup")),
        cpus=cpus,
        memory_gb=memory,
        model_mount_path=mount,
    )


def _batch(root: Node, path: Path, findings: Findings) -> BatchDeployment:
    kind = text(root.get("type"), findings)
    if kind not in ("", "model"):
        findings.refuse(root.get("type").origin, f"is {kind}; deployments of models are run", "type: model")
    only_keys(root, (*_SHARED, *_BATCH), findings, what="a batch deployment")
    _say_no_effect(root, findings)
    settings = root.get("settings")
    only_keys(settings, (*_BATCH_SETTINGS, "environment_variables"), findings, what="settings")

    def of(key: str) -> Node:
        return settings.get(key) if settings.has(key) else root.get(key)

    shared = _shared(root, path, findings)
    shared["variables"] = {**shared["variables"], **_texts(settings.get("environment_variables"), findings)}
    action = text(of("output_action"), findings).lower().replace("_", "") or "appendrow"
    if action not in ("appendrow", "summaryonly"):
        findings.refuse(of("output_action").origin, f"{action!r} is not known", "append_row or summary_only")
    instances = _number(root.get("resources", "instance_count"), findings, least=1, most=64, default=1)
    retry = of("retry_settings")
    only_keys(retry, ("max_retries", "timeout"), findings, what="retry_settings")
    output = text(of("output_file_name"), findings) or "predictions.csv"
    if "/" in output or output in (".", ".."):
        findings.refuse(of("output_file_name").origin, f"{output!r} is not a file's name")
    return BatchDeployment(
        **shared,
        instances=instances,
        mini_batch_size=_number(of("mini_batch_size"), findings, least=1, default=10),
        workers=instances * _number(of("max_concurrency_per_instance"), findings, least=1, most=64, default=1),
        append_rows=action == "appendrow",
        output_file=output,
        retries=_number(retry.get("max_retries"), findings, least=0, default=3),
        timeout=float(_number(retry.get("timeout"), findings, least=1, default=30)),
        error_threshold=_number(of("error_threshold"), findings, least=-1, default=-1),
        logging_level=text(of("logging_level"), findings).lower() or "info",
    )


def _shared(
    root: Node, path: Path, findings: Findings, *, name: str = "", inline: bool = False, own_servers: bool = False
) -> dict[str, Any]:
    code = root.get("code_configuration")
    only_keys(code, ("code", "scoring_script"), findings, what="code_configuration")
    folder = code.get("code")
    written = text(folder.get("local_path") if folder.is_map else folder, findings)
    script = text(code.get("scoring_script"), findings)
    if code and not script:
        findings.refuse(code.origin, "names no scoring_script:", "the file with init() and run()")
    if script and not script.endswith(".py"):
        findings.refuse(code.get("scoring_script").origin, f"{script} is not Python", "a script has init() and run()")
    if _PLACEHOLDER.search(script + written):
        findings.refuse(code.origin, f"has a placeholder: {written}/{script}", "write what it stands for")
    model, environment = (
        _model(root.get("model"), path, findings),
        _environment(root.get("environment"), path, findings),
    )
    if not code:
        _check_no_code(root, model, findings, own_servers=own_servers)
    if code and environment is None:
        findings.refuse(root.origin, "has no environment:", "image: and conda_file:, or azureml:name:version")
    return {
        "name": name or _name(root, "name", findings),
        "endpoint": "" if inline else _name(root, "endpoint_name", findings) if root.has("endpoint_name") else "",
        "file": path,
        "model": model,
        "environment": environment,
        "code": _beside(path, written or ".") if script else None,
        "scoring_script": script,
        "variables": _texts(root.get("environment_variables"), findings),
        "description": text(root.get("description"), findings),
        "tags": _texts(root.get("tags"), findings),
    }


def _check_no_code(root: Node, model: ModelSource | None, findings: Findings, *, own_servers: bool) -> None:
    """Refuse what nobody could score: without a script, a model says how (MLflow's), or an image with its own server does."""
    environment = root.get("environment")
    if own_servers and (environment.has("inference_config") if environment.is_map else environment):
        check_routes(environment.get("inference_config"), findings)
    elif model is not None and model.kind == "triton_model":
        findings.refuse(
            root.get("model").origin,
            "is a model of Triton's server, and no image with that server is named",
            "environment: with image: and inference_config: (Triton answers /v2/health/ready on port 8000)",
        )
    elif model is None or not (model.kind == "mlflow_model" or model.reference):
        hint = "code_configuration:, a model of type mlflow_model, or an environment with inference_config:"
        findings.refuse(
            root.origin,
            "has no code_configuration:, so that nothing says how to score",
            hint if own_servers else "code_configuration:, or a model of type mlflow_model",
        )


def _model(node: Node, path: Path, findings: Findings) -> ModelSource | None:
    if not node:
        return None
    if not node.is_map:
        written = _reference(node, findings, "azureml:name:version, or path:")
        if written.startswith(("azureml:", "/subscriptions")) or not (path.parent / written).exists():
            return ModelSource(reference=written)
        return ModelSource(path=path.parent / written)
    accepted = (
        "name",
        "version",
        "path",
        "local_path",
        "type",
        "description",
        "tags",
        "properties",
        "flavors",
        "$schema",
    )
    only_keys(node, accepted, findings, what="a model")
    kind = text(node.get("type"), findings) or "custom_model"
    if kind not in KINDS:
        findings.refuse(node.get("type").origin, f"{kind!r} is not known", ", ".join(KINDS))
    written = text(node.get("path"), findings) or text(node.get("local_path"), findings)
    if not written or _PLACEHOLDER.search(written) or "://" in written:
        shown = written or "nothing"
        findings.refuse(node.origin, f"names no file or folder of this machine: {shown}", "path: of the model")
    return ModelSource(
        path=_beside(path, written),
        name=text(node.get("name"), findings),
        kind=kind,
        description=text(node.get("description"), findings),
        tags=_texts(node.get("tags"), findings),
    )


def _environment(node: Node, path: Path, findings: Findings) -> EnvironmentSource | None:
    if not node:
        return None
    if node.is_map:
        return EnvironmentSource(place=node.origin.key)
    written = _reference(node, findings, "azureml:name:version, or image: and conda_file:")
    if written.startswith("file:") or written.endswith((".yml", ".yaml")):
        return EnvironmentSource(path=_beside(path, written))
    return EnvironmentSource(reference=written)


def _reference(node: Node, findings: Findings, accepted: str) -> str:
    """Return what is written at `node`, which is refused where it stands for something else."""
    written = text(node, findings).strip()
    if _PLACEHOLDER.search(written):
        findings.refuse(node.origin, f"{written} is a placeholder", accepted)
    return written


def _resources(root: Node, findings: Findings) -> tuple[float, float]:
    """Return the limits of CPUs and GB; 0 where there is none."""
    limits = root.get("resources", "limits") or root.get("resources", "requests") or root.get("resource_requirements")
    cpu, memory = text(limits.get("cpu"), findings), text(limits.get("memory") or limits.get("memory_in_gb"), findings)
    sizes = {"Mi": 1 / 1024, "Gi": 1.0, "Ki": 1 / 1024**2, "": 1.0}
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(Ki|Mi|Gi|)", memory or "0")
    number = re.fullmatch(r"(\d+(?:\.\d+)?)(m?)", cpu or "0")
    if found is None:
        findings.refuse(limits.origin, f"memory {memory!r} is not understood", "for example 0.5Gi")
    if number is None:
        findings.refuse(limits.origin, f"cpu {cpu!r} is not understood", "for example 0.5 or 500m")
    cpus = float(number[1]) / (1000 if number[2] else 1) if number else 0.0
    return cpus, float(found[1]) * sizes[found[2]] if found else 0.0


def _probe(node: Node, findings: Findings) -> float:
    """Return the seconds that a probe gives the service to start; 0 where it is not there."""
    only_keys(
        node, ("initial_delay", "period", "timeout", "success_threshold", "failure_threshold"), findings, what="a probe"
    )
    if not node:
        return 0.0
    delay = _number(node.get("initial_delay"), findings, least=0, default=10)
    period = _number(node.get("period"), findings, least=1, default=10)
    return float(delay + period * _number(node.get("failure_threshold"), findings, least=1, default=30))


def _say_no_effect(root: Node, findings: Findings) -> None:
    for key in _NO_EFFECT:
        if root.has(key):
            findings.note(root.get(key).origin, "has no effect: everything runs on this machine")


def _name(root: Node, key: str, findings: Findings) -> str:
    written = text(root.get(key), findings).strip()
    if not _NAME.fullmatch(written):
        hint = "letters, digits, '-' and '_', a letter first, 64 at most"
        findings.refuse(root.get(key).origin, f"{key} {written or 'is missing'}: cannot name it", hint)
    return written


def _number(node: Node, findings: Findings, *, least: int, most: int | None = None, default: int | None = None) -> int:
    if not node and node.value != 0 and default is not None:
        return default
    try:
        found = int(text(node, findings))
    except ValueError:
        found = least - 1
    if found < least or (most is not None and found > most):
        limit = f"between {least} and {most}" if most is not None else f"{least} or more"
        findings.refuse(node.origin, f"is {text(node, findings) or 'nothing'}; a whole number, {limit}, is needed")
        return least
    return found


def _texts(node: Node, findings: Findings) -> dict[str, str]:
    return {key: text(value, findings) for key, value in table(node, findings)}


def _beside(path: Path, written: str) -> Path:
    return path.parent / written.removeprefix("file:")

"""`deploymentconfig.json` (or the same as YAML), with the keys of `az ml model deploy --dc`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from envbuild.azureml.services.aks import AksWebservice
from envbuild.azureml.services.deployment_configs import Common
from envbuild.azureml.services.local import AciWebservice, LocalWebservice
from envbuild.core.errors import DefinitionError, Problem

_COMMON = {
    "port": "port",
    "tags": "tags",
    "properties": "properties",
    "description": "description",
    "authEnabled": "auth_enabled",
    "sslEnabled": "ssl_enabled",
    "sslCertificate": "ssl_cert_pem_file",
    "sslKey": "ssl_key_pem_file",
    "cname": "ssl_cname",
    "appInsightsEnabled": "enable_app_insights",
    "dataCollection.storageEnabled": "collect_model_data",
    "keys.primaryKey": "primary_key",
    "keys.secondaryKey": "secondary_key",
}
_LIMITED = {
    **_COMMON,
    "containerResourceRequirements.cpu": "cpu_cores",
    "containerResourceRequirements.memoryInGB": "memory_gb",
}
_AKS = {
    **_LIMITED,
    "containerResourceRequirements.cpuLimit": "cpu_cores_limit",
    "containerResourceRequirements.memoryInGBLimit": "memory_gb_limit",
    "tokenAuthEnabled": "token_auth_enabled",
    "aadAuthEnabled": "token_auth_enabled",
    "autoScaler.autoscaleEnabled": "autoscale_enabled",
    "autoScaler.minReplicas": "autoscale_min_replicas",
    "autoScaler.maxReplicas": "autoscale_max_replicas",
    "autoScaler.targetUtilization": "autoscale_target_utilization",
    "autoScaler.refreshPeriodInSeconds": "autoscale_refresh_seconds",
    "numReplicas": "num_replicas",
    "gpuCores": "gpu_cores",
    "namespace": "namespace",
    "computeTargetName": "compute_target_name",
    "scoringTimeoutMs": "scoring_timeout_ms",
    "maxConcurrentRequestsPerContainer": "replica_max_concurrent_requests",
    "maxQueueWaitMs": "max_request_wait_time",
    "livenessProbeRequirements.periodSeconds": "period_seconds",
    "livenessProbeRequirements.initialDelaySeconds": "initial_delay_seconds",
    "livenessProbeRequirements.timeoutSeconds": "timeout_seconds",
    "livenessProbeRequirements.successThreshold": "success_threshold",
    "livenessProbeRequirements.failureThreshold": "failure_threshold",
}
_KINDS: Mapping[str, tuple[Mapping[str, str], Callable[..., Common]]] = {
    "local": ({**_COMMON, "useDocker": "use_docker"}, LocalWebservice.deploy_configuration),
    "aci": (
        {**_LIMITED, "location": "location", "dnsNameLabel": "dns_name_label"},
        AciWebservice.deploy_configuration,
    ),
    "aks": (_AKS, AksWebservice.deploy_configuration),
}
_FILES = ("ssl_cert_pem_file", "ssl_key_pem_file")


def read_deployment(path: Path) -> Common:
    """Return what the file says: `computeType` local, aci or aks, and the settings of that kind. PEM files count from the file.

    Raises:
        DefinitionError: it cannot be read, or a key is not known or its value not accepted; every problem is named.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise DefinitionError(Problem(message=f"cannot be read: {error}", file=str(path))) from error
    kind = str(content.pop("computeType", "")).lower() if isinstance(content, dict) else ""
    if kind not in _KINDS:
        text = f"{kind or 'nothing'!r} is not known"
        raise DefinitionError(Problem(message=text, file=str(path), key="computeType", hint=", ".join(sorted(_KINDS))))
    names, make = _KINDS[kind]
    settings, problems = {}, []
    for key, value in _leaves(content):
        name = names.get(key)
        if name is None:
            hint = ", ".join(get_close_matches(key, names) or sorted(names))
            problems.append(Problem(message=f"computeType {kind} has no such key", file=str(path), key=key, hint=hint))
        elif value is not None:
            settings[name] = str(path.parent / str(value)) if name in _FILES else value
    if problems:
        raise DefinitionError(problems)
    try:
        return make(**settings)
    except DefinitionError as error:
        keys = {name: key for key, name in names.items()}
        raise DefinitionError([_in_file(one, path, keys) for one in error.problems]) from None
    except TypeError as error:
        raise DefinitionError(Problem(message=f"a value has the wrong type: {error}", file=str(path))) from None


def _in_file(problem: Problem, path: Path, keys: Mapping[str, str]) -> Problem:
    key = keys.get(problem.key, problem.key)
    return Problem(message=problem.message, file=str(path), key=key, hint=problem.hint)


def _leaves(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict) and key not in ("tags", "properties"):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

"""The Kubernetes objects of a service: Deployment, Service, autoscaler, and the Secret with its keys. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from envbuild.core.errors import DefinitionError

PORT = 5001
_KEYS = "/run/envbuild-keys"


@dataclass(frozen=True, slots=True)
class AksServiceDeploymentConfiguration:
    """A service in a Kubernetes cluster. The defaults are Azure's: a tenth of a CPU, half a GB, 1 to 10 replicas, keys."""

    cpu_cores: float = 0.1
    memory_gb: float = 0.5
    autoscale_enabled: bool = True
    autoscale_min_replicas: int = 1
    autoscale_max_replicas: int = 10
    autoscale_target_utilization: int = 70
    num_replicas: int | None = None
    auth_enabled: bool = True
    namespace: str = "default"
    period_seconds: int = 10
    initial_delay_seconds: int = 310
    timeout_seconds: int = 2
    success_threshold: int = 1
    failure_threshold: int = 3
    gpu_cores: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    description: str = ""
    port: int | None = None

    def __post_init__(self) -> None:
        if self.cpu_cores <= 0 or self.memory_gb <= 0:
            raise DefinitionError("cpu_cores and memory_gb are above 0")
        if not 1 <= self.autoscale_min_replicas <= self.autoscale_max_replicas:
            raise DefinitionError("autoscale_min_replicas is 1 or more, and not above autoscale_max_replicas")
        if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", self.namespace):
            raise DefinitionError(f"{self.namespace!r} cannot name a namespace", hint="a-z, 0-9 and '-' (RFC 1123)")
        if self.num_replicas is not None and self.num_replicas < 1:
            raise DefinitionError("num_replicas is 1 or more")


def manifests(
    name: str, image: str, config: AksServiceDeploymentConfiguration, keys: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return the objects of the service `name` in the order in which they are to be applied; `keys` make a Secret."""
    found = [_secret(name, config, keys)] if keys else []
    found += [_deployment(name, image, config, closed=bool(keys)), _service(name, config)]
    if config.num_replicas is None and config.autoscale_enabled:
        found.append(_autoscaler(name, config))
    return found


def _metadata(name: str, config: AksServiceDeploymentConfiguration) -> dict[str, Any]:
    # a name of Kubernetes has no underscore (RFC 1123), a service of Azure may
    return {
        "name": object_name(name),
        "namespace": config.namespace,
        "labels": {"app.kubernetes.io/name": object_name(name), "app.kubernetes.io/managed-by": "envbuild"},
    }


def object_name(name: str) -> str:
    """Return the name of a service as Kubernetes takes it."""
    return name.replace("_", "-")


def _secret(name: str, config: AksServiceDeploymentConfiguration, keys: Sequence[str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(name, config),
        "type": "Opaque",
        "stringData": {"keys": "\n".join(keys)},
    }


def _deployment(name: str, image: str, config: AksServiceDeploymentConfiguration, *, closed: bool) -> dict[str, Any]:
    replicas = config.num_replicas or config.autoscale_min_replicas
    selector = {"app.kubernetes.io/name": object_name(name)}
    pod: dict[str, Any] = {"containers": [_container(image, config, closed=closed)]}
    pod["securityContext"] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if closed:
        pod["volumes"] = [{"name": "keys", "secret": {"secretName": object_name(name)}}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(name, config),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": selector}, "spec": pod},
        },
    }


def _container(image: str, config: AksServiceDeploymentConfiguration, *, closed: bool) -> dict[str, Any]:
    probe = {
        "httpGet": {"path": "/", "port": PORT},
        "periodSeconds": config.period_seconds,
        "timeoutSeconds": config.timeout_seconds,
        "failureThreshold": config.failure_threshold,
    }
    limits: dict[str, Any] = {
        "cpu": f"{round(config.cpu_cores * 1000)}m",
        "memory": f"{round(config.memory_gb * 1024)}Mi",
    }
    if config.gpu_cores:
        limits["nvidia.com/gpu"] = config.gpu_cores
    container: dict[str, Any] = {
        "name": "service",
        "image": image,
        "ports": [{"name": "http", "containerPort": PORT}],
        "resources": {"requests": limits, "limits": limits},
        "livenessProbe": {**probe, "initialDelaySeconds": config.initial_delay_seconds},
        "readinessProbe": {**probe, "successThreshold": config.success_threshold},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    if closed:
        container["env"] = [{"name": "ENVBUILD_AUTH_KEYS_FILE", "value": f"{_KEYS}/keys"}]
        container["volumeMounts"] = [{"name": "keys", "mountPath": _KEYS, "readOnly": True}]
    return container


def _service(name: str, config: AksServiceDeploymentConfiguration) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(name, config),
        "spec": {
            "selector": {"app.kubernetes.io/name": object_name(name)},
            "ports": [{"name": "http", "port": 80, "targetPort": PORT}],
        },
    }


def _autoscaler(name: str, config: AksServiceDeploymentConfiguration) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": config.autoscale_target_utilization}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(name, config),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": object_name(name)},
            "minReplicas": config.autoscale_min_replicas,
            "maxReplicas": config.autoscale_max_replicas,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }

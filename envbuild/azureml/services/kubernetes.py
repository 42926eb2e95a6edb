"""The Kubernetes objects of a service: Deployment, Service, autoscaler, and the Secret with what only it may read. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from envbuild.azureml.services.deployment_configs import AksServiceDeploymentConfiguration
from envbuild.azureml.services.secrets import IN_CONTAINER, VARIABLES

PORT = 5001
_NEED_A_RESTART = ("cert.pem", "key.pem")


def manifests(
    name: str, image: str, config: AksServiceDeploymentConfiguration, secrets: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Return the objects of the service `name` in the order in which they are to be applied.

    `secrets` are files by name (`keys`, `token-secret`, `cert.pem`, `key.pem`); they make a Secret.
    """
    files = dict(secrets or {})
    found = [_secret(name, config, files)] if files else []
    found += [_deployment(name, image, config, files), _service(name, config, tls="cert.pem" in files)]
    if config.num_replicas is None and config.autoscale_enabled:
        found.append(_autoscaler(name, config))
    return found


def _metadata(name: str, config: AksServiceDeploymentConfiguration) -> dict[str, Any]:
    # a name of Kubernetes has no underscore (RFC 1123), a service of Azure may
    found: dict[str, Any] = {
        "name": object_name(name),
        "namespace": config.namespace,
        "labels": {"app.kubernetes.io/name": object_name(name), "app.kubernetes.io/managed-by": "envbuild"},
    }
    # any text may be a tag of Azure's; annotations take any text, labels do not
    notes = {"envbuild/tags": config.tags, "envbuild/properties": config.properties}
    texts = {key: json.dumps(value, sort_keys=True) for key, value in notes.items() if value}
    if config.description:
        texts["envbuild/description"] = config.description
    return {**found, "annotations": texts} if texts else found


def object_name(name: str) -> str:
    """Return the name of a service as Kubernetes takes it."""
    return name.replace("_", "-")


def _secret(name: str, config: AksServiceDeploymentConfiguration, files: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(name, config),
        "type": "Opaque",
        "stringData": dict(files),
    }


def _deployment(
    name: str, image: str, config: AksServiceDeploymentConfiguration, files: Mapping[str, str]
) -> dict[str, Any]:
    selector = {"app.kubernetes.io/name": object_name(name)}
    pod: dict[str, Any] = {"containers": [_container(name, image, config, files)]}
    pod["securityContext"] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    template: dict[str, Any] = {"metadata": {"labels": selector}, "spec": pod}
    if files:
        pod["volumes"] = [{"name": "secrets", "secret": {"secretName": object_name(name)}}]
    restart = "".join(files.get(one, "") for one in _NEED_A_RESTART)
    if restart:
        # keys are read again when they change; a certificate is not, so a new one makes new pods
        template["metadata"]["annotations"] = {"envbuild/certificate": hashlib.sha256(restart.encode()).hexdigest()}
    spec: dict[str, Any] = {"selector": {"matchLabels": selector}, "template": template}
    if config.num_replicas is not None or not config.autoscale_enabled:
        # where a number stands, applying again would take back what the autoscaler chose
        spec["replicas"] = config.num_replicas or config.autoscale_min_replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _metadata(name, config), "spec": spec}


def _container(
    name: str, image: str, config: AksServiceDeploymentConfiguration, files: Mapping[str, str]
) -> dict[str, Any]:
    action: dict[str, Any] = {"path": "/", "port": PORT}
    if "cert.pem" in files:
        action["scheme"] = "HTTPS"
    probe = {
        "httpGet": action,
        "periodSeconds": config.period_seconds,
        "timeoutSeconds": config.timeout_seconds,
        "failureThreshold": config.failure_threshold,
    }
    asked = _resources(config.cpu_cores, config.memory_gb, config.gpu_cores)
    most = (config.cpu_cores_limit or config.cpu_cores, config.memory_gb_limit or config.memory_gb)
    variables = {
        "SERVICE_NAME": name,
        "SCORING_TIMEOUT_MS": str(config.scoring_timeout_ms),
        "ENVBUILD_THREADS": str(config.replica_max_concurrent_requests),
        **{VARIABLES[file]: f"{IN_CONTAINER}/{file}" for file in files},
    }
    if config.enable_app_insights:
        variables["ENVBUILD_REQUEST_LOG"] = "-"  # to the pod's log, which clusters gather
    container: dict[str, Any] = {
        "name": "service",
        "image": image,
        "ports": [{"name": "http", "containerPort": PORT}],
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "resources": {"requests": asked, "limits": _resources(*most, config.gpu_cores)},
        # success may not be asked for more than once of a liveness probe
        "livenessProbe": {**probe, "initialDelaySeconds": config.initial_delay_seconds},
        "readinessProbe": {**probe, "successThreshold": config.success_threshold},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    if files:
        container["volumeMounts"] = [{"name": "secrets", "mountPath": IN_CONTAINER, "readOnly": True}]
    return container


def _resources(cpu: float, memory: float, gpus: int) -> dict[str, Any]:
    found: dict[str, Any] = {"cpu": f"{round(cpu * 1000)}m", "memory": f"{round(memory * 1024)}Mi"}
    # an extended resource is a whole number, and written as text like the others
    return {**found, "nvidia.com/gpu": str(gpus)} if gpus else found


def _service(name: str, config: AksServiceDeploymentConfiguration, *, tls: bool) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(name, config),
        "spec": {
            "selector": {"app.kubernetes.io/name": object_name(name)},
            "ports": [{"name": "https" if tls else "http", "port": 443 if tls else 80, "targetPort": PORT}],
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

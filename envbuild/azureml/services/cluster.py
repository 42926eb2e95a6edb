"""A Kubernetes cluster: objects applied, read and deleted, with the `kubernetes` client or with kubectl."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml

from envbuild import programs
from envbuild.core.errors import ServiceError

Object = Mapping[str, Any]
OWNER = "envbuild"
"""The field manager of server-side apply."""
_WILL_NOT_START = frozenset({
    "CrashLoopBackOff", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError",
    "RunContainerError", "ErrImageNeverPull",
})  # fmt: skip


class Cluster(Protocol):
    """What a service needs of a cluster. Every method raises ServiceError where the cluster refuses."""

    name: str

    def apply(self, objects: Sequence[Object]) -> None:
        """Create the objects, or make those that are there equal to them."""

    def delete(self, objects: Sequence[Object]) -> None:
        """Delete the objects; one that is not there is fine."""

    def deployment(self, name: str, namespace: str) -> Object | None:
        """Return a Deployment, or None where there is none."""

    def pods(self, name: str, namespace: str) -> Sequence[Object]:
        """Return the pods of a service."""

    def logs(self, name: str, namespace: str) -> str:
        """Return what the pods of a service said."""


def find_cluster() -> Cluster | None:
    """Return the cluster of the current context: through the client where it and a kubeconfig are here, else kubectl, or None."""
    if _kubeconfig() and (client := _client()) is not None:
        return client
    return Kubectl() if programs.find("kubectl") else None


def _kubeconfig() -> bool:
    named = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    return any(Path(one).is_file() for one in named.split(os.pathsep))


def _client() -> Cluster | None:
    try:
        from envbuild.azureml.services.cluster_client import ClientCluster
    except ImportError:
        return None
    return ClientCluster()


class Kubectl:
    """The cluster that the program kubectl speaks to."""

    name = "kubectl"

    def apply(self, objects: Sequence[Object]) -> None:
        """Create the objects, or make those that are there equal to them (server-side apply)."""
        arguments = ("apply", "--server-side", f"--field-manager={OWNER}", "--force-conflicts", "-f", "-")
        self._ask(*arguments, stdin=_yaml(objects))

    def delete(self, objects: Sequence[Object]) -> None:
        """Delete the objects; one that is not there is fine."""
        self._ask("delete", "--ignore-not-found", "-f", "-", stdin=_yaml(objects))

    def deployment(self, name: str, namespace: str) -> Object | None:
        """Return a Deployment, or None where there is none."""
        said = self._ask("get", "deployment", name, "-n", namespace, "--ignore-not-found", "-o", "json")
        return json.loads(said) if said.strip() else None

    def pods(self, name: str, namespace: str) -> Sequence[Object]:
        """Return the pods of a service."""
        said = self._ask("get", "pods", "-l", _selector(name), "-n", namespace, "-o", "json")
        return list(json.loads(said).get("items", []))

    def logs(self, name: str, namespace: str) -> str:
        """Return what the pods of a service said."""
        return self._ask("logs", "-l", _selector(name), "-n", namespace, "--tail=5000", "--prefix")

    def _ask(self, *arguments: str, stdin: str | None = None) -> str:
        done = programs.run(["kubectl", *arguments], check=False, stdin=stdin, timeout=120)
        if done.code != 0:
            raise ServiceError(f"kubectl {arguments[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
        return str(done.stdout)


def _selector(name: str) -> str:
    return f"app.kubernetes.io/name={name}"


def _yaml(objects: Sequence[Object]) -> str:
    return yaml.safe_dump_all([dict(one) for one in objects], sort_keys=False)


def rollout_state(deployment: Object | None, pods: Sequence[Object]) -> tuple[str, str]:
    """Return the state of a service as Azure names it, and why it is not Healthy; from what the cluster says. Pure."""
    if deployment is None:
        return "Failed", "the cluster has no such deployment"
    status = deployment.get("status") or {}
    wanted = int((deployment.get("spec") or {}).get("replicas", 1))
    seen = int(status.get("observedGeneration", 0)) >= int((deployment.get("metadata") or {}).get("generation", 0))
    updated, available = int(status.get("updatedReplicas", 0)), int(status.get("availableReplicas", 0))
    if seen and updated >= min(wanted, 1) and available >= 1 and int(status.get("replicas", 0)) == updated:
        return "Healthy", ""
    troubles = [trouble for trouble in map(_trouble, pods) if trouble is not None]
    if troubles:
        # what will not start is worse than what waits for room
        return min(troubles)
    for one in status.get("conditions", []):
        if one.get("type") == "Progressing" and one.get("reason") == "ProgressDeadlineExceeded":
            return "Unhealthy", str(one.get("message", "no pod became ready in time"))
    return "Transitioning", f"{available} of {wanted} pods are ready"


def _trouble(pod: Object) -> tuple[str, str] | None:
    name = (pod.get("metadata") or {}).get("name", "a pod")
    status = pod.get("status") or {}
    for one in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _WILL_NOT_START:
            ended = ((one.get("lastState") or {}).get("terminated") or {}).get("exitCode")
            code = f", it ended with code {ended}" if ended is not None else ""
            return "Failed", f"{name}: {waiting['reason']}{code}. {waiting.get('message', '')}".strip()
    for one in status.get("conditions", []):
        if one.get("type") == "PodScheduled" and one.get("status") == "False" and one.get("reason") == "Unschedulable":
            return "Unschedulable", f"{name}: {one.get('message', 'no node has room')}"
    return None

"""`AksWebservice`: a service in a Kubernetes cluster, as manifests, applied with kubectl where that is there."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import yaml

from envbuild import programs
from envbuild.azureml.kubernetes import AksServiceDeploymentConfiguration, manifests, object_name
from envbuild.azureml.records import Record
from envbuild.azureml.services import Webservice
from envbuild.core.errors import ServiceError
from envbuild.core.progress import Progress
from envbuild.files import write_atomic

__all__ = ["AksServiceDeploymentConfiguration", "AksWebservice"]


class AksWebservice(Webservice):
    """A service in a Kubernetes cluster. Without kubectl its manifests are written, and its state is Unschedulable."""

    compute_type = "AKS"

    @staticmethod
    def deploy_configuration(**settings: Any) -> AksServiceDeploymentConfiguration:
        """Return how to deploy it; the settings are those of `AksServiceDeploymentConfiguration`.

        Raises:
            DefinitionError: a number is out of its range.
            TypeError: there is no such setting.
        """
        given = {name: value for name, value in settings.items() if value is not None}
        return AksServiceDeploymentConfiguration(**given)

    @property
    def manifests(self) -> Path:
        """The file with the Kubernetes objects, for `kubectl apply -f`; readable by the user alone, as it holds the keys."""
        return self.record.folder / "manifests.yml"

    @property
    def state(self) -> str:
        """Transitioning, Unschedulable, Failed, Unhealthy or Healthy, as the cluster says."""
        values = self.record.values
        state = str(values.get("status", "Deleted"))
        if state != "Healthy":
            return state
        done = programs.run(
            ["kubectl", "get", "deployment", object_name(self.name), "-n", values["namespace"], "-o", "json"],
            check=False,
        )
        return "Healthy" if done.code == 0 and _ready(json.loads(done.stdout)) else "Unhealthy"

    @property
    def scoring_uri(self) -> str:
        """Where it scores, inside the cluster."""
        return f"http://{object_name(self.name)}.{self.record.values['namespace']}.svc/score"

    @property
    def swagger_uri(self) -> str:
        """Where its OpenAPI document is, inside the cluster."""
        return self.scoring_uri.removesuffix("score") + "swagger.json"


def apply(record: Record, image: str, config: AksServiceDeploymentConfiguration, progress: Progress) -> dict[str, Any]:
    """Write the manifests of a service and apply them where kubectl is there; return what its record says then.

    Raises:
        ServiceError: kubectl refused, or the cluster did not bring the service up.
    """
    keys = (record.folder / "keys").read_text(encoding="utf-8").split() if config.auth_enabled else []
    path = record.folder / "manifests.yml"
    objects = manifests(record.id, image, config, keys)
    write_atomic(path, yaml.safe_dump_all(objects, sort_keys=False), mode=0o600)
    found = {"pid": None, "namespace": config.namespace, "image": image, "manifests": str(path)}
    if programs.find("kubectl") is None:
        progress.note(f"kubectl is not here: the manifests are in {path}; `kubectl apply -f` creates the service")
        return {**found, "status": "Unschedulable", "error": f"not applied: kubectl is not here; see {path}"}
    rollout = ["kubectl", "rollout", "status", f"deployment/{object_name(record.id)}", "-n", config.namespace]
    with progress.step("applying the manifests"):
        for argv in (["kubectl", "apply", "-f", str(path)], [*rollout, "--timeout=300s"]):
            done = programs.run(argv, check=False)
            if done.code != 0:
                raise ServiceError(f"{' '.join(argv[:3])} failed: {done.stderr.strip() or done.stdout.strip()}")
    return {**found, "status": "Healthy", "applied": time.time()}


def remove(record: Record) -> None:
    """Delete the objects of an applied service from its cluster.

    Raises:
        ServiceError: kubectl refused.
    """
    if not record.values.get("applied"):
        return
    argv = ["kubectl", "delete", "--ignore-not-found", "-f", str(record.folder / "manifests.yml")]
    done = programs.run(argv, check=False)
    if done.code != 0:
        raise ServiceError(f"kubectl delete failed: {done.stderr.strip()}")


def _ready(deployment: dict[str, Any]) -> bool:
    wanted = deployment.get("spec", {}).get("replicas", 1)
    return bool(deployment.get("status", {}).get("readyReplicas", 0) >= min(wanted, 1))

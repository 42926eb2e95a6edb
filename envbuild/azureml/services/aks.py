"""`AksWebservice`: a service in a Kubernetes cluster, as manifests, and applied where a cluster can be asked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from envbuild.azureml.records import Record
from envbuild.azureml.services.asking import AnsweredError
from envbuild.azureml.services.cluster import Cluster, find_cluster, rollout_state
from envbuild.azureml.services.deployment_configs import AksServiceDeploymentConfiguration
from envbuild.azureml.services.kubernetes import manifests, object_name
from envbuild.azureml.services.secrets import ServiceSecrets
from envbuild.azureml.services.webservice import Webservice
from envbuild.core.errors import ServiceError
from envbuild.core.progress import Progress
from envbuild.files import write_atomic

ROLLOUT_LIMIT_S = 300.0
NOWHERE = {
    "autoscale_refresh_seconds": "the cluster decides how often its autoscaler looks",
    "max_request_wait_time": "requests wait in the service's queue",
    "compute_target_name": "the cluster is the one of the current kubeconfig context",
    "blobfuse_enabled": "models are in the image",
}
"""Settings of Azure's that are taken and mean nothing in another cluster, and why."""


def stated(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `settings` that say something and mean something here."""
    return {name: value for name, value in settings.items() if value is not None and name not in NOWHERE}


class AksServiceAccessToken(NamedTuple):
    """A token; the moments are in UTC."""

    access_token: str
    token_type: str
    refresh_after: datetime
    expiry_on: datetime


class AksWebservice(Webservice):
    """A service in a Kubernetes cluster. Without one its manifests are written, and its state is Unschedulable."""

    compute_type = "AKS"

    @staticmethod
    def deploy_configuration(**settings: Any) -> AksServiceDeploymentConfiguration:
        """Return how to deploy it; the settings are those of `AksServiceDeploymentConfiguration`.

        Raises:
            DefinitionError: a number is out of its range, or what is asked for excludes one another.
            TypeError: there is no such setting.
        """
        given = stated(settings)
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
        if not values.get("applied") or state == "Transitioning":
            return state
        found = self._rollout()[0]
        # it was up, or its time is over: what is not there now is not on its way
        return "Unhealthy" if found == "Transitioning" else found

    @property
    def error(self) -> str:
        """Why it is not healthy, or an empty text."""
        values = self.record.values
        return self._rollout()[1] if values.get("applied") else str(values.get("error") or "")

    @property
    def address(self) -> str:
        """Where it answers, inside the cluster; with a certificate by the name that `ssl_cname` says."""
        host = f"{object_name(self.name)}.{self.settings.get('namespace', 'default')}.svc"
        if self.secrets.certificate is None:
            return f"http://{host}"
        return f"https://{self.settings.get('ssl_cname') or host}"

    def run(self, input_data: str | bytes) -> Any:
        """Send one request from this machine, if the cluster's address can be reached from here; see `Webservice.run`.

        Raises:
            ServiceError: it cannot be reached, or answered with an error.
        """
        import json

        from envbuild.azureml.services.asking import ask_url

        headers = {"Content-Type": "application/json" if isinstance(input_data, str) else "application/octet-stream"}
        if self.auth_enabled or self.token_auth_enabled:
            word = self.get_keys()[0] if self.auth_enabled else self.get_token()[0]
            headers["Authorization"] = f"Bearer {word}"
        body = input_data.encode() if isinstance(input_data, str) else input_data
        try:
            content = ask_url(self.scoring_uri, body, headers, trust=self.secrets.certificate)
        except AnsweredError as error:
            raise ServiceError(f"service {self.name} answered {error.status}: {error}") from error
        except OSError as error:
            hint = f"it is {self.state}; {self.scoring_uri} is an address inside the cluster: `kubectl port-forward`"
            raise ServiceError(f"service {self.name} cannot be reached: {error}", hint=hint) from error
        try:
            return json.loads(content)
        except ValueError:
            return content

    def get_access_token(self) -> AksServiceAccessToken:
        """Return a token for the service with its moments.

        Raises:
            ServiceError: the service takes no tokens.
        """
        token, refresh, end = self.secrets.new_token()
        return AksServiceAccessToken(token, "Bearer", refresh, end)

    def regen_key(self, key: str, set_key: str | None = None) -> None:
        """Replace a key; the pods see it when the kubelet has renewed their Secret, usually within a minute.

        Raises:
            ServiceError: the service needs no key, `key` is neither, or the cluster refused.
        """
        super().regen_key(key, set_key)
        objects = list(yaml.safe_load_all(self.manifests.read_text(encoding="utf-8")))
        for one in objects:
            if one["kind"] == "Secret":
                one["stringData"] = self.secrets.files()
        _write(self.manifests, objects)
        if self.record.values.get("applied") and (cluster := find_cluster()) is not None:
            cluster.apply([one for one in objects if one["kind"] == "Secret"])

    def _rollout(self) -> tuple[str, str]:
        cluster = find_cluster()
        if cluster is None:
            return "Unhealthy", "no cluster can be asked from here"
        return _look(cluster, self.record)


def apply(record: Record, image: str, config: AksServiceDeploymentConfiguration, progress: Progress) -> dict[str, Any]:
    """Write the manifests of a service and apply them where there is a cluster; return what its record says then.

    Raises:
        ServiceError: the cluster refused.
    """
    path = record.folder / "manifests.yml"
    objects = manifests(record.id, image, config, ServiceSecrets(record).files())
    _write(path, objects)
    found = {"pid": None, "namespace": config.namespace, "image": image, "manifests": str(path)}
    cluster = find_cluster()
    if cluster is None:
        progress.note(f"no cluster is here: the manifests are in {path}; `kubectl apply -f` creates the service")
        why = "neither kubectl nor the package kubernetes with a kubeconfig is here"
        return {**found, "status": "Unschedulable", "error": f"not applied: {why}; see {path}"}
    with progress.step(f"applying the manifests with {cluster.name}"):
        cluster.apply(objects)
        record.change(applied=time.time(), namespace=config.namespace)
    with progress.step("waiting for the pods"):
        state, why = _settled(cluster, record, progress)
    if state == "Transitioning":
        state, why = "Unhealthy", f"no pod was ready within {ROLLOUT_LIMIT_S:.0f} s. {why}"
    if state == "Failed":
        said = cluster.logs(object_name(record.id), config.namespace).splitlines()
        why = "\n".join([why, *said[-40:]])
    return {**found, "status": state, "error": why}


def _settled(cluster: Cluster, record: Record, progress: Progress) -> tuple[str, str]:
    """Wait until the rollout is at an end; return the state and why it is not Healthy."""
    end = time.monotonic() + ROLLOUT_LIMIT_S
    told = ""
    while True:
        state, why = _look(cluster, record)
        if why != told:
            progress.note(f"{state}: {why}")
            told = why
        # a pod that cannot be placed may be placed a moment later: a node is added
        if state in ("Healthy", "Failed") or time.monotonic() > end:
            return state, why
        time.sleep(1.0)


def _look(cluster: Cluster, record: Record) -> tuple[str, str]:
    name, namespace = object_name(record.id), str(record.values["namespace"])
    return rollout_state(cluster.deployment(name, namespace), cluster.pods(name, namespace))


def cluster_log(record: Record) -> str:
    """Return what the pods of an applied service said."""
    cluster = find_cluster()
    return cluster.logs(object_name(record.id), record.values["namespace"]) if cluster is not None else ""


def remove(record: Record) -> None:
    """Delete the objects of an applied service from its cluster.

    Raises:
        ServiceError: the cluster refused, or none can be asked.
    """
    if not record.values.get("applied"):
        return
    cluster = find_cluster()
    if cluster is None:
        raise ServiceError(f"service {record.id} is in a cluster, and none can be asked from here")
    objects = list(yaml.safe_load_all((record.folder / "manifests.yml").read_text(encoding="utf-8")))
    cluster.delete(objects[::-1])
    record.change(applied=None)


def _write(path: Path, objects: list[dict[str, Any]]) -> None:
    write_atomic(path, yaml.safe_dump_all(objects, sort_keys=False), mode=0o600)

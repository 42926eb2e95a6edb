"""A cluster through the package `kubernetes` (the extra of that name), by the current context of the kubeconfig."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kubernetes import client, config

from envbuild.azureml.services.cluster import OWNER, Object
from envbuild.core.errors import ServiceError

_LIMIT_S = 60
_APPLY = "application/apply-patch+yaml"
_SUFFIXES = {
    "Secret": ("CoreV1Api", "secret"),
    "ConfigMap": ("CoreV1Api", "config_map"),
    "Service": ("CoreV1Api", "service"),
    "Deployment": ("AppsV1Api", "deployment"),
    "HorizontalPodAutoscaler": ("AutoscalingV2Api", "horizontal_pod_autoscaler"),
}


class ClientCluster:
    """The cluster of the current context."""

    name = "the kubernetes client"

    def __init__(self) -> None:
        """Read the kubeconfig.

        Raises:
            ServiceError: it names no cluster.
        """
        try:
            # the package looks at the variable when it is imported, and never again
            self._api = config.new_client_from_config(config_file=os.environ.get("KUBECONFIG") or None)
        except config.ConfigException as error:
            raise ServiceError(f"the kubeconfig cannot be used: {error}") from error

    def apply(self, objects: Sequence[Object]) -> None:
        """Create the objects, or make those that are there equal to them (server-side apply)."""
        for one in objects:
            with _told("apply", one):
                self._call("patch", one)(
                    *_place(one),
                    dict(one),
                    field_manager=OWNER,
                    force=True,
                    _content_type=_APPLY,
                    _request_timeout=_LIMIT_S,
                )

    def delete(self, objects: Sequence[Object]) -> None:
        """Delete the objects; one that is not there is fine."""
        for one in objects:
            with _told("delete", one, but=404):
                self._call("delete", one)(*_place(one), _request_timeout=_LIMIT_S)

    def deployment(self, name: str, namespace: str) -> Object | None:
        """Return a Deployment, or None where there is none."""
        found: list[Object] = []
        read = client.AppsV1Api(self._api).read_namespaced_deployment
        with _told("read", {"kind": "Deployment", "metadata": {"name": name}}, but=404):
            found.append(self._plain(read(name, namespace, _request_timeout=_LIMIT_S)))
        return found[0] if found else None

    def pods(self, name: str, namespace: str) -> Sequence[Object]:
        """Return the pods of a service."""
        with _told("list", {"kind": "Pod", "metadata": {"name": name}}):
            asked = client.CoreV1Api(self._api).list_namespaced_pod
            found = asked(namespace, label_selector=f"app.kubernetes.io/name={name}", _request_timeout=_LIMIT_S)
        return list(self._plain(found).get("items") or [])

    def logs(self, name: str, namespace: str) -> str:
        """Return what the pods of a service said; of one that was started again, what it said before too."""
        texts = []
        for pod in self.pods(name, namespace):
            called = str(pod["metadata"]["name"])
            for previous in (True, False):
                # there is nothing from before, or nothing yet
                with contextlib.suppress(client.ApiException):
                    read = client.CoreV1Api(self._api).read_namespaced_pod_log
                    said = read(called, namespace, tail_lines=5000, previous=previous, _request_timeout=_LIMIT_S)
                    texts += [f"[{called}] {line}" for line in str(said or "").splitlines()]
        return "\n".join(texts)

    def _call(self, verb: str, one: Object) -> Callable[..., Any]:
        group, suffix = _SUFFIXES[one["kind"]]
        found: Callable[..., Any] = getattr(getattr(client, group)(self._api), f"{verb}_namespaced_{suffix}")
        return found

    def _plain(self, found: Any) -> Object:
        plain: Object = self._api.sanitize_for_serialization(found)
        return plain


def _place(one: Object) -> tuple[str, str]:
    return one["metadata"]["name"], one["metadata"]["namespace"]


@contextlib.contextmanager
def _told(verb: str, one: Object, *, but: int = 0) -> Iterator[None]:
    """Turn what the client raises into an error that names the object; the status `but` is no error."""
    try:
        yield
    except client.ApiException as error:
        if error.status != but:
            raise ServiceError(
                f"the cluster would not {verb} {one['kind']} {one['metadata']['name']}: {_why(error)}"
            ) from error
    except Exception as error:  # urllib3's, whatever it is today
        raise ServiceError(f"the cluster cannot be asked to {verb} {one['kind']}: {error}") from error


def _why(error: client.ApiException) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return f"{error.status} {error.reason}"

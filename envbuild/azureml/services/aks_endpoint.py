"""`AksEndpoint`: versions of a service behind one address, among which requests are split by percent; on this machine.

Each version is a service of its own, a process or a container; a router in front of them splits. What no version was given
goes to the default version, as Azure has it.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.azureml.records import Record, is_alive, now
from envbuild.azureml.services.aks import stated
from envbuild.azureml.services.deployment_configs import (
    AciServiceDeploymentConfiguration,
    AksServiceDeploymentConfiguration,
    Common,
    LocalWebserviceDeploymentConfiguration,
)
from envbuild.azureml.services.webservice import KIND, Webservice
from envbuild.core.errors import DefinitionError, ServiceError, WorkspaceError
from envbuild.files import exclusive, write_atomic
from envbuild.serving.routes import NAME

if TYPE_CHECKING:
    from envbuild.azureml.models.model import Model
    from envbuild.azureml.packaging.inference import InferenceConfig
    from envbuild.azureml.workspace import Workspace

MOST = 6
"""Versions that an endpoint may have, as Azure documents it."""
_NOTICED_S = 0.6
"""Seconds after which the router has read new routes: twice its interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AksEndpointDeploymentConfiguration(AksServiceDeploymentConfiguration):
    """The endpoint, and its first version. `use_docker` runs versions in containers with their limits."""

    version_name: str | None = None
    traffic_percentile: float | None = None
    use_docker: bool = False

    def problems(self) -> list[tuple[str, str, str]]:
        """Return what is wrong: key, text, hint."""
        found = AksServiceDeploymentConfiguration.problems(self)
        if self.traffic_percentile is not None and not 0 <= self.traffic_percentile <= 100:
            found.append(("traffic_percentile", f"{self.traffic_percentile} is not a percent", "0 to 100"))
        return found


class AksEndpoint(Webservice):
    """Versions of a service behind one address of this machine."""

    compute_type = "AKSENDPOINT"

    class VersionType:
        """What a version is: the one that others are compared with, or one of those."""

        control = "control"
        treatment = "treatment"

    @staticmethod
    def deploy_configuration(**settings: Any) -> AksEndpointDeploymentConfiguration:
        """Return how to deploy it; the settings are those of `AksEndpointDeploymentConfiguration`.

        Raises:
            DefinitionError: a number is out of its range, or what is asked for excludes one another.
            TypeError: there is no such setting.
        """
        given = stated(settings)
        return AksEndpointDeploymentConfiguration(**given)

    @property
    def versions(self) -> dict[str, Webservice]:
        """The versions by name; each is a service, with a state, a log and an address of its own."""
        return {name: _Version(self.workspace, one["service"]) for name, one in self._versions.items()}

    @property
    def traffic(self) -> dict[str, float]:
        """The percent of the requests that each version gets, the default's with what nobody was given."""
        given = {name: float(one["traffic_percentile"]) for name, one in self._versions.items()}
        default = next((name for name, one in self._versions.items() if one["is_default"]), None)
        if default is not None:
            given[default] = round(given[default] + 100 - sum(given.values()), 6)
        return given

    @property
    def state(self) -> str:
        """Healthy while a version that gets traffic answers; else as the versions are."""
        if not self.record.values:
            return "Deleted"
        states = [one.state for one in self.versions.values()]
        if "Transitioning" in states:
            return "Transitioning"
        if self._router_pid and self.answers():
            return "Healthy"
        return "Failed" if states and set(states) <= {"Failed", "Unschedulable"} else "Unhealthy"

    @property
    def error(self) -> str:
        """Why versions failed, or an empty text."""
        return "\n".join(f"{name}: {one.error}" for name, one in self.versions.items() if one.error)

    def create_version(
        self,
        version_name: str,
        models: Sequence[Model] | None = None,
        inference_config: InferenceConfig | None = None,
        traffic_percentile: float | None = None,
        is_default: bool | None = None,
        is_control_version_type: bool | None = None,
        **settings: Any,
    ) -> None:
        """Add a version and start it; `traffic_percentile` percent of the requests go to it once it answers.

        `settings` are those of `deploy_configuration`, for this version.

        Raises:
            DefinitionError: the name or a setting is not accepted, or more than 100 percent are given away.
            ServiceError: there is such a version, or the endpoint has as many as it may have.
        """
        from envbuild.azureml.services.deploying import deploy

        config = self._config(settings)
        with self._changing():
            if version_name in self._versions:
                raise ServiceError(
                    f"endpoint {self.name} has a version {version_name}", hint="update_version changes it"
                )
            if len(self._versions) >= MOST:
                raise ServiceError(f"endpoint {self.name} has {MOST} versions, as many as it may have")
            wanted = {
                "service": f"{self.name}--{version_name}".lower(),
                "traffic_percentile": traffic_percentile or 0,
                "is_default": bool(is_default) or not self._versions,
                "type": _type(is_control_version_type),
            }
            changed = _changed(self._versions, version_name, wanted)
            deploy(
                *(self.workspace, str(wanted["service"]), models or [], inference_config, config),
                overwrite=True,
                version_of=self.name,
            )
            self.record.change(versions=changed)

    def update_version(
        self,
        version_name: str,
        models: Sequence[Model] | None = None,
        inference_config: InferenceConfig | None = None,
        traffic_percentile: float | None = None,
        is_default: bool | None = None,
        is_control_version_type: bool | None = None,
        **settings: Any,
    ) -> None:
        """Change a version: its share of the requests at once, its models, script and settings by starting it again.

        Raises:
            DefinitionError: a setting is not accepted, or more than 100 percent are given away.
            WorkspaceError: there is no such version.
        """
        version = self._version(version_name)
        given = {name: value for name, value in settings.items() if value is not None}
        with self._changing():
            wanted = dict(self._versions[version_name])
            if traffic_percentile is not None:
                wanted["traffic_percentile"] = traffic_percentile
            if is_default is not None:
                wanted["is_default"] = is_default
            if is_control_version_type is not None:
                wanted["type"] = _type(is_control_version_type)
            self.record.change(versions=_changed(self._versions, version_name, wanted))
            if models is not None or inference_config is not None or given:
                version.update(models, inference_config, **given)
            self._route()

    def delete_version(self, version_name: str) -> None:
        """End a version; its share goes to the default version.

        Raises:
            WorkspaceError: there is no such version.
            ServiceError: it is the default one, and others are there.
        """
        version = self._version(version_name)
        with self._changing():
            left = {name: one for name, one in self._versions.items() if name != version_name}
            if left and self._versions[version_name]["is_default"]:
                raise ServiceError(
                    f"version {version_name} is the default one", hint="make another one the default first"
                )
            self.record.change(versions=left)
            self._route()
        version.delete()

    def wait_for_deployment(self, show_output: bool = False, timeout_sec: float | None = None) -> None:
        """Wait until every version answers, and requests are split among them.

        Raises:
            ServiceError: a version failed, with the end of its log; those that answer get the requests.
        """
        failed = None
        for version in self.versions.values():
            try:
                version.wait_for_deployment(show_output, timeout_sec)
            except ServiceError as error:  # noqa: PERF203 - the others are waited for too
                failed = error
        self.route()
        if failed is not None:
            raise failed
        if show_output:
            sys.stdout.write(f"endpoint {self.name}: {self.state}\n")

    def update(self, *_: Any, **settings: Any) -> None:
        """Change who may ask, tags, properties and description; versions are changed by `update_version`.

        Raises:
            DefinitionError: a setting is not known, or out of its range.
        """
        from envbuild.azureml.services.deploying import change_settings

        change_settings(self, {name: value for name, value in settings.items() if value is not None}, None)
        with self._changing():
            self._end_router()
            self._route()

    def get_logs(self, num_lines: int = 5000, init: bool = False) -> str:
        """Return the last lines of what the versions and the router said."""
        texts = [f"[{name}]\n{one.get_logs(num_lines, init)}" for name, one in self.versions.items()]
        log = self.record.folder / "router.log"
        router = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
        return "\n".join([*texts, "[router]", *router.splitlines()[-num_lines:]])

    def delete(self) -> None:
        """End the endpoint and its versions, and forget them."""
        with self._changing():
            self._end_router()
            for version in self.versions.values():
                version.delete()
            self.secrets.remove()
            self.workspace.core.catalogue.delete_record(KIND, self.name)

    def serialize(self) -> dict[str, Any]:
        """Return what is known with Azure's keys; no secret is among it."""
        traffic = self.traffic
        versions = {
            name: {
                **one.serialize(),
                "trafficPercentile": self._versions[name]["traffic_percentile"],
                "effectivePercent": traffic[name],
                "isDefault": self._versions[name]["is_default"],
                "type": self._versions[name]["type"],
            }
            for name, one in self.versions.items()
        }
        return {**super().serialize(), "versions": versions}

    @property
    def _versions(self) -> dict[str, dict[str, Any]]:
        return dict(self.record.values.get("versions") or {})

    @property
    def _router_pid(self) -> int | None:
        pid = self.record.values.get("service_pid")
        return pid if isinstance(pid, int) else None

    def _version(self, name: str) -> Webservice:
        if name not in self._versions:
            known = ", ".join(self._versions) or "none"
            raise WorkspaceError(f"endpoint {self.name} has no version {name}", hint=f"it has: {known}")
        return self.versions[name]

    def _config(self, settings: Mapping[str, Any]) -> Common:
        """Return how a version runs: like the endpoint's first but for `settings`; the router asks for keys, and it alone."""
        given = stated(settings)
        whole = AksEndpointDeploymentConfiguration(**{**self.settings, **given})
        of = AciServiceDeploymentConfiguration if whole.use_docker else LocalWebserviceDeploymentConfiguration
        named = (
            "enable_app_insights",
            "collect_model_data",
            "tags",
            "properties",
            "description",
            "cpu_cores",
            "memory_gb",
        )
        names = {one.name for one in fields(of)}.intersection(named)
        return of(**{name: getattr(whole, name) for name in names})

    def _changing(self) -> contextlib.AbstractContextManager[Any]:
        return exclusive(self.record.folder.with_name(f".{self.name}.versions.lock"))

    def route(self) -> None:
        """Let the router know who answers now; for who has started a version."""
        with self._changing():
            self._route()

    def _route(self) -> None:
        """Write the split of those that answer to the router's file, and start the router if it does not run."""
        from envbuild.azureml.services.targets import server_variables

        up = {name: one for name, one in self.versions.items() if one.record.values.get("status") == "Healthy"}
        routes = {
            name: {"url": f"http://127.0.0.1:{one.port}", "traffic": percent}
            for (name, one), percent in zip(up.items(), _shares(self.traffic, list(up)), strict=True)
        }
        path = self.record.folder / "routes.json"
        write_atomic(path, json.dumps({"deployments": routes}, indent=2))
        if self._router_pid and is_alive(self._router_pid):
            time.sleep(_NOTICED_S)
        elif up:
            import envbuild.serving
            from envbuild.engines.local_service import start_router

            variables = server_variables(self.record, "", str(self.record.folder))
            server = Path(envbuild.serving.__file__).parent
            router = start_router(server, path, self.record.folder, port=self.port, variables=variables)
            self.record.change(service_pid=router.pid, status="Healthy", pid=None)

    def _end_router(self) -> None:
        from envbuild.azureml.services.targets import stop

        stop(self.record)
        self.record.change(service_pid=None)


class _Version(Webservice):
    """A version: a service that is listed by its endpoint alone."""

    def __init__(self, workspace: Workspace, service: str) -> None:
        super().__init__(workspace, service)
        self.compute_type = str(self.record.values["compute_type"])


def make_endpoint(workspace: Workspace, name: str, config: AksEndpointDeploymentConfiguration) -> AksEndpoint:
    """Make an endpoint without a version."""
    from envbuild.azureml.services.deploying import keep
    from envbuild.azureml.services.targets import free_port

    record = Record(workspace.core, KIND, name)
    keep(record, config)
    port = config.port or free_port()
    record.change(status="Healthy", compute_type=AksEndpoint.compute_type, port=port, versions={}, created=now())
    return AksEndpoint(workspace, name)


def _changed(
    versions: Mapping[str, Mapping[str, Any]], name: str, wanted: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the versions with one that is new or changed: one default, one control, and 100 percent at most."""
    if not NAME.fullmatch(name):
        raise DefinitionError(f"{name!r} cannot name a version", hint="letters, digits, '.', '_' and '-', 63 at most")
    found = {key: dict(one) for key, one in versions.items()}
    if name in found and found[name]["is_default"] and not wanted["is_default"]:
        raise DefinitionError("an endpoint has a default version", hint="make another one the default")
    for one in found.values():
        one["is_default"] = one["is_default"] and not wanted["is_default"]
        if wanted["type"] == AksEndpoint.VersionType.control:
            one["type"] = AksEndpoint.VersionType.treatment
    found[name] = dict(wanted)
    percents = {key: one["traffic_percentile"] for key, one in found.items()}
    if any(not 0 <= one <= 100 for one in percents.values()) or sum(percents.values()) > 100 + 1e-9:
        said = " + ".join(f"{key} {one:g}" for key, one in percents.items())
        raise DefinitionError(
            f"traffic_percentile: {said} is {sum(percents.values()):g}", hint="100 at most, all together"
        )
    return found


def _shares(traffic: Mapping[str, float], up: Sequence[str]) -> list[float]:
    """Return the percents of those that are up, whole again: what the others would get is split as theirs is."""
    total = sum(traffic[name] for name in up)
    if not total:
        return [0.0 for _ in up]
    shares = [round(traffic[name] * 100 / total, 2) for name in up]
    most = shares.index(max(shares))
    shares[most] = round(shares[most] + 100 - sum(shares), 2)
    return shares


def _type(is_control: bool | None) -> str:
    return AksEndpoint.VersionType.control if is_control else AksEndpoint.VersionType.treatment

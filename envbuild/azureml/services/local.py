"""Services on this machine: a process or a container, and a container with limits."""

from __future__ import annotations

from typing import Any

from envbuild.azureml.services.deployment_configs import (
    AciServiceDeploymentConfiguration,
    LocalWebserviceDeploymentConfiguration,
)
from envbuild.azureml.services.webservice import Webservice

_LOCAL_STATES = {
    "Transitioning": "deploying",
    "Healthy": "running",
    "Unhealthy": "failed",
    "Unschedulable": "failed",
    "Failed": "failed",
}


class LocalWebservice(Webservice):
    """A service on this machine: a process in a prefix, or a container."""

    @staticmethod
    def deploy_configuration(
        port: int | None = None, use_docker: bool = False, **settings: Any
    ) -> LocalWebserviceDeploymentConfiguration:
        """Return how to deploy it; further settings are those of `LocalWebserviceDeploymentConfiguration`, None: its default.

        Raises:
            DefinitionError: the port is none, or the certificate cannot be used.
            TypeError: there is no such setting.
        """
        given = {name: value for name, value in settings.items() if value is not None}
        return LocalWebserviceDeploymentConfiguration(port=port, use_docker=use_docker, **given)

    @property
    def state(self) -> str:
        """deploying, running, failed, or deleted."""
        state = super().state
        return _LOCAL_STATES.get(state, state.lower())

    def reload(self, wait: bool = False) -> None:
        """Start the service again with the script as it is now; nothing is built.

        Raises:
            ServiceError: the script cannot be served any more.
        """
        self.update(wait=wait)


class AciWebservice(Webservice):
    """A service in one container with limits."""

    compute_type = "ACI"

    @staticmethod
    def deploy_configuration(
        cpu_cores: float | None = None,
        memory_gb: float | None = None,
        tags: dict[str, str] | None = None,
        properties: dict[str, str] | None = None,
        description: str | None = None,
        location: str | None = None,
        auth_enabled: bool | None = None,
        ssl_enabled: bool | None = None,
        enable_app_insights: bool | None = None,
        ssl_cert_pem_file: str | None = None,
        ssl_key_pem_file: str | None = None,
        ssl_cname: str | None = None,
        dns_name_label: str | None = None,
        primary_key: str | None = None,
        secondary_key: str | None = None,
        collect_model_data: bool | None = None,
        port: int | None = None,
    ) -> AciServiceDeploymentConfiguration:
        """Return how to deploy it; the defaults are Azure's, a tenth of a CPU and half a GB.

        `location` and `dns_name_label` say where in Azure, and mean nothing here.

        Raises:
            DefinitionError: a limit is not above 0, or the certificate cannot be used.
        """
        del location, dns_name_label
        given = {name: value for name, value in locals().items() if value is not None}
        return AciServiceDeploymentConfiguration(**given)

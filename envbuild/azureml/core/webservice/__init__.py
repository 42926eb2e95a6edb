"""What `azureml.core.webservice` has, on this machine: services as processes, in containers and in clusters."""

from envbuild.azureml.aks import AksServiceAccessToken, AksWebservice
from envbuild.azureml.aks_endpoint import AksEndpoint, AksEndpointDeploymentConfiguration
from envbuild.azureml.deployment_configs import (
    AciServiceDeploymentConfiguration,
    AksServiceDeploymentConfiguration,
    LocalWebserviceDeploymentConfiguration,
)
from envbuild.azureml.local_services import AciWebservice, LocalWebservice
from envbuild.azureml.services import Webservice

__all__ = [
    "AciServiceDeploymentConfiguration",
    "AciWebservice",
    "AksEndpoint",
    "AksEndpointDeploymentConfiguration",
    "AksServiceAccessToken",
    "AksServiceDeploymentConfiguration",
    "AksWebservice",
    "LocalWebservice",
    "LocalWebserviceDeploymentConfiguration",
    "Webservice",
]

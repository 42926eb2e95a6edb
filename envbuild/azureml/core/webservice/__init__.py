"""What `azureml.core.webservice` has, on this machine: services as processes, in containers and in clusters."""

from envbuild.azureml.services.aks import AksServiceAccessToken, AksWebservice
from envbuild.azureml.services.aks_endpoint import AksEndpoint, AksEndpointDeploymentConfiguration
from envbuild.azureml.services.deployment_configs import (
    AciServiceDeploymentConfiguration,
    AksServiceDeploymentConfiguration,
    LocalWebserviceDeploymentConfiguration,
)
from envbuild.azureml.services.local import AciWebservice, LocalWebservice
from envbuild.azureml.services.webservice import Webservice

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

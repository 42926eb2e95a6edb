"""Which kinds of services there are, and which configuration asks for which."""

from __future__ import annotations

from typing import Any

from envbuild.azureml.services.aks import AksWebservice
from envbuild.azureml.services.aks_endpoint import AksEndpoint, AksEndpointDeploymentConfiguration
from envbuild.azureml.services.deployment_configs import (
    AciServiceDeploymentConfiguration,
    AksServiceDeploymentConfiguration,
    Common,
    LocalWebserviceDeploymentConfiguration,
)
from envbuild.azureml.services.local import AciWebservice, LocalWebservice
from envbuild.azureml.services.webservice import Webservice

_KINDS: tuple[tuple[type[Webservice], type[Common]], ...] = (
    (LocalWebservice, LocalWebserviceDeploymentConfiguration),
    (AciWebservice, AciServiceDeploymentConfiguration),
    (AksWebservice, AksServiceDeploymentConfiguration),
    (AksEndpoint, AksEndpointDeploymentConfiguration),
)


def kind_of(compute_type: str) -> type[Webservice]:
    """Return the class of services whose records name `compute_type`."""
    return next((kind for kind, _ in _KINDS if kind.compute_type == compute_type), LocalWebservice)


def kind_for(config: Common) -> type[Webservice]:
    """Return the class of services that `config` asks for."""
    return next(kind for kind, of in _KINDS if type(config) is of)


def config_of(compute_type: str, settings: dict[str, Any]) -> Common:
    """Return the configuration of a kind with `settings`.

    Raises:
        DefinitionError: a setting is out of its range, or the kind has none of that name.
    """
    from dataclasses import fields

    from envbuild.core.errors import DefinitionError

    of = next(config for kind, config in _KINDS if kind is kind_of(compute_type))
    names = {one.name for one in fields(of)}
    unknown = sorted(set(settings) - names)
    if unknown:
        kind = kind_of(compute_type).__name__
        raise DefinitionError(f"{kind} has no setting {', '.join(unknown)}", hint=f"it has {', '.join(sorted(names))}")
    return of(**settings)

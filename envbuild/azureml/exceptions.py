"""The names of Azure's errors, for scripts that catch them; each is one of envbuild's."""

from envbuild.core.errors import EnvbuildError, ServiceError

AzureMLException = EnvbuildError
UserErrorException = EnvbuildError
ModelNotFoundException = EnvbuildError
WebserviceException = ServiceError

__all__ = ["AzureMLException", "ModelNotFoundException", "UserErrorException", "WebserviceException"]

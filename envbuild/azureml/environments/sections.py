"""The sections of an environment, with the names and defaults that Azure's SDK gives them.

Each is a mutable value with fixed attributes: another name is an AttributeError, never silently kept.
"""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envbuild.azureml.environments.conda_dependencies import CondaDependencies
from envbuild.azureml.environments.images import DEFAULT_CPU_IMAGE
from envbuild.core.errors import DefinitionError


@dataclass(slots=True)
class PythonSection:
    """Python and its packages. `interpreter_path` counts only where the image manages its packages itself."""

    user_managed_dependencies: bool = False
    interpreter_path: str | None = "python"
    conda_dependencies_file: str | None = None
    base_conda_environment: str | None = None
    conda_dependencies: CondaDependencies | None = field(default_factory=CondaDependencies)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "conda_dependencies" and value is not None and not isinstance(value, CondaDependencies):
            raise DefinitionError(f"conda_dependencies is a {type(value).__name__}; a CondaDependencies is needed")
        object.__setattr__(self, name, value)


@dataclass(slots=True)
class RegistryIdentity:
    """Who logs in to a registry where that is not a user with a password; kept, without effect here."""

    resource_id: str | None = None
    client_id: str | None = None


@dataclass(slots=True)
class ContainerRegistry:
    """Where an image comes from. A password is never written to a file of the environment."""

    address: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    registry_identity: RegistryIdentity | None = None


@dataclass(slots=True)
class DockerBuildContext:
    """A folder with a Dockerfile (or a Git URL), which is built as it is: folders inside stay folders."""

    location_type: str = "git"
    location: str | None = None
    dockerfile_path: str = "Dockerfile"

    @staticmethod
    def from_local_directory(
        workspace: Any, path: str | Path, dockerfile_path: str = "Dockerfile"
    ) -> DockerBuildContext:
        """Return the context in the folder `path`; `workspace` is accepted as Azure needs it, and not used.

        Raises:
            DefinitionError: there is no such folder, or it has no such Dockerfile.
        """
        del workspace
        folder = Path(path)
        if not (folder / dockerfile_path).is_file():
            raise DefinitionError(
                f"build context {path} has no {dockerfile_path}", hint="dockerfile_path counts from the folder"
            )
        return DockerBuildContext("local", str(folder.resolve()), dockerfile_path)


@dataclass(slots=True)
class DockerImagePlatform:
    """What the image is for."""

    os: str = "Linux"
    architecture: str = "amd64"


_FROM = ("base_image", "base_dockerfile", "build_context")


@dataclass(slots=True)
class DockerSection:
    """What the image starts from: `base_image`, `base_dockerfile` or `build_context`; setting one takes the others back."""

    enabled: bool = False
    base_image: str | None = DEFAULT_CPU_IMAGE
    base_dockerfile: str | None = None
    build_context: DockerBuildContext | None = None
    shared_volumes: bool = True
    shm_size: str | None = "2g"
    arguments: list[str] = field(default_factory=list)
    base_image_registry: ContainerRegistry = field(default_factory=ContainerRegistry)
    platform: DockerImagePlatform = field(default_factory=DockerImagePlatform)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "base_image_registry" and (value is None or isinstance(value, str)):
            value = ContainerRegistry(address=value)
        if name == "base_dockerfile" and value is not None:
            value = dockerfile_text(value)
        if name in _FROM and value is not None:
            for other in _FROM:
                if other != name and getattr(self, other, None) is not None:
                    _warn(f"docker.{name} is set: docker.{other} is taken back")
                    object.__setattr__(self, other, None)
        object.__setattr__(self, name, value)

    @property
    def gpu_support(self) -> bool:
        """Always True, as Azure has it: an image for GPUs runs without one too."""
        return True

    @gpu_support.setter
    def gpu_support(self, _value: bool) -> None:
        _warn("docker.gpu_support has no effect: the engine gives a container the GPUs that there are")


@dataclass(slots=True)
class SparkPackage:
    """A package of Spark; kept, not installed."""

    group: str | None = None
    artifact: str | None = None
    version: str | None = None


@dataclass(slots=True)
class SparkSection:
    """Spark's settings; kept, without effect here."""

    repositories: list[str] = field(default_factory=list)
    packages: list[SparkPackage] = field(default_factory=list)
    precache_packages: bool = True


@dataclass(slots=True)
class DatabricksSection:
    """Databricks' libraries; kept, without effect here."""

    maven_libraries: list[Any] = field(default_factory=list)
    pypi_libraries: list[Any] = field(default_factory=list)
    rcran_libraries: list[Any] = field(default_factory=list)
    jar_libraries: list[Any] = field(default_factory=list)
    egg_libraries: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class RCranPackage:
    """A package of CRAN; kept, not installed."""

    name: str | None = None
    version: str | None = None
    repository: str | None = None


@dataclass(slots=True)
class RGitHubPackage:
    """A package from GitHub; kept, not installed. The token is never written to a file of the environment."""

    repository: str | None = None
    auth_token: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class RSection:
    """R and its packages; kept, without effect here: r-base among the conda packages installs R."""

    r_version: str | None = None
    user_managed: bool = False
    rscript_path: str | None = None
    snapshot_date: str | None = None
    cran_packages: list[RCranPackage] | None = None
    github_packages: list[RGitHubPackage] | None = None
    custom_url_packages: list[str] | None = None
    bioconductor_packages: list[str] | None = None


NESTED: dict[tuple[type, str], type] = {
    (DockerSection, "build_context"): DockerBuildContext,
    (DockerSection, "base_image_registry"): ContainerRegistry,
    (DockerSection, "platform"): DockerImagePlatform,
    (ContainerRegistry, "registry_identity"): RegistryIdentity,
    (SparkSection, "packages"): SparkPackage,
    (RSection, "cran_packages"): RCranPackage,
    (RSection, "github_packages"): RGitHubPackage,
}
"""What a field holds, or each entry of its list, where that is a section of its own."""


def dockerfile_text(value: Any) -> str:
    """Return the text of a Dockerfile that is given as text, as a path, or as an open file."""
    if hasattr(value, "read"):
        return str(value.read())
    text = str(value)
    if "\n" not in text.strip():
        with contextlib.suppress(OSError, ValueError):  # what cannot name a file is no file that is there
            if Path(text.strip()).is_file():
                return Path(text.strip()).read_text(encoding="utf-8")
    if not any(line.strip().upper().startswith(("FROM ", "ARG ")) for line in text.splitlines()):
        raise DefinitionError(
            f"{text.strip()[:80]!r} is neither a Dockerfile's text, which has a FROM, nor a file that is there"
        )
    return text


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=4)

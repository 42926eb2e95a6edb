"""`Environment` and its parts, under the names of Azure's SDK."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.azureml.class_calls import OfTheClassToo
from envbuild.azureml.environments.conda_dependencies import DEFAULT_PYTHON, CondaDependencies
from envbuild.azureml.environments.directories import load, save
from envbuild.azureml.environments.saved import environment_json
from envbuild.azureml.environments.sections import (
    ContainerRegistry,
    DatabricksSection,
    DockerBuildContext,
    DockerSection,
    PythonSection,
    RSection,
    SparkSection,
)
from envbuild.core.errors import DefinitionError

if TYPE_CHECKING:
    from envbuild.azureml.environments.building import DockerImageDetails, ImageBuildDetails
    from envbuild.azureml.workspace import Workspace

_EXAMPLE = {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"}


class Environment:
    """A Python environment, what its image starts from, and its variables.

    Attributes are fixed: another name is an AttributeError. Nothing is solved or built before it is asked for.
    """

    __slots__ = (
        "_environment_variables",
        "asset_id",
        "databricks",
        "docker",
        "inferencing_stack_version",
        "name",
        "python",
        "r",
        "spark",
        "version",
    )

    def __init__(self, name: str | None) -> None:
        """Start with Azure's defaults.

        Raises:
            TypeError: the name is not a text.
        """
        if name is not None and not isinstance(name, str):
            raise TypeError(f"an environment's name is a text, not {type(name).__name__}")
        self.name = name
        self.version: str | None = None
        self.environment_variables = dict(_EXAMPLE)
        self.python = PythonSection()
        self.docker = DockerSection()
        self.spark = SparkSection()
        self.databricks = DatabricksSection()
        self.r: RSection | None = None
        self.inferencing_stack_version: str | None = None
        self.asset_id: str | None = None

    @property
    def environment_variables(self) -> dict[str, str]:
        """The variables of whatever runs in it."""
        return self._environment_variables

    @environment_variables.setter
    def environment_variables(self, value: Mapping[str, str] | None) -> None:
        self._environment_variables = {str(name): str(text) for name, text in (value or {}).items()}

    # ways to make one

    @staticmethod
    def from_conda_specification(name: str, file_path: str | Path) -> Environment:
        """Return an environment with the packages of a conda file; Python is added where the file has none.

        Raises:
            DefinitionError: the file cannot be read or is not a conda file.
        """
        made = Environment(name)
        conda = CondaDependencies(file_path)
        if not conda.has_python:
            warnings.warn(f'No Python version provided, defaulting to "{DEFAULT_PYTHON}"', stacklevel=2)
            conda.set_python_version(DEFAULT_PYTHON)
        made.python.conda_dependencies = conda
        return made

    @staticmethod
    def from_pip_requirements(name: str, file_path: str | Path, pip_version: str | None = None) -> Environment:
        """Return an environment with the lines of a requirements file on pip's side; comments and blank lines are none.

        Raises:
            DefinitionError: the file, or one that it includes, cannot be read.
        """
        from envbuild.azureml.environments.requirements_lines import requirement_lines

        made = Environment(name)
        conda = CondaDependencies()
        conda.set_pip_requirements(requirement_lines(Path(file_path)))
        conda.add_conda_package(f"pip={pip_version}" if pip_version else "pip")
        made.python.conda_dependencies = conda
        return made

    @staticmethod
    def from_existing_conda_environment(name: str, conda_environment_name: str) -> Environment:
        """Return an environment with the packages of a conda environment on this machine, by its name or its folder.

        What is installed is read from the environment's own records; conda need not be there.

        Raises:
            DefinitionError: there is no such environment.
        """
        from envbuild.azureml.environments.existing import existing_environment

        made = Environment(name)
        made.python.conda_dependencies = CondaDependencies(
            _underlying_structure=existing_environment(conda_environment_name)
        )
        return made

    @staticmethod
    def from_docker_image(
        name: str,
        image: str,
        container_registry: ContainerRegistry | str | None = None,
        conda_specification: str | Path | None = None,
        pip_requirements: str | Path | None = None,
    ) -> Environment:
        """Return an environment on a base image; without packages the image manages its own.

        Raises:
            DefinitionError: both kinds of packages are given, or a file cannot be read.
        """
        docker = DockerSection(base_image=image, base_image_registry=container_registry)  # type: ignore[arg-type]
        return _on_base(name, docker, conda_specification, pip_requirements)

    @staticmethod
    def from_dockerfile(
        name: str,
        dockerfile: Any,
        conda_specification: str | Path | None = None,
        pip_requirements: str | Path | None = None,
    ) -> Environment:
        """Return an environment on a Dockerfile (its text, a path or an open file); without packages it manages its own.

        Raises:
            DefinitionError: both kinds of packages are given, or a file cannot be read.
        """
        docker = DockerSection(base_image=None, base_dockerfile=dockerfile)
        return _on_base(name, docker, conda_specification, pip_requirements)

    @staticmethod
    def from_docker_build_context(name: str, docker_build_context: DockerBuildContext) -> Environment:
        """Return an environment that is a build context of the user's own."""
        made = Environment(name)
        made.environment_variables = {}
        made.python = PythonSection(user_managed_dependencies=True, conda_dependencies=None)
        made.docker = DockerSection(base_image=None, build_context=docker_build_context)
        return made

    @staticmethod
    def load_from_directory(path: str | Path) -> Environment:
        """Return the environment that was saved in the folder `path`.

        Raises:
            FileNotFoundError: the folder has no `azureml_environment.json`.
            DefinitionError: a file is not understood.
        """
        content, parts = load(Path(path))
        if parts is None:
            return EnvironmentReference(content.get("name"), content.get("version"))
        return Environment.from_parts(parts)

    @staticmethod
    def from_parts(parts: Mapping[str, Any]) -> Environment:
        """Return an environment with these attributes, as `envbuild.azureml.environments.saved.environment_parts` gives them."""
        made = Environment(parts["name"])
        for name, value in parts.items():
            setattr(made, name, value)
        return made

    @OfTheClassToo(lambda owner, path, *_more, **_named: owner(Path(path).name))
    def save_to_directory(self, path: str | Path, overwrite: bool = False) -> Environment:
        """Write the environment to the folder `path`: JSON, conda file, Dockerfile, as Azure's SDK does; and return it.

        On the class, it is a fresh one, named after the folder.

        Passwords and tokens are left out; a warning says where they are kept.

        Raises:
            FileExistsError: the folder is there (unless `overwrite`, which replaces the files of an environment in it).
            DefinitionError: the packages have no Python.
        """
        save(self, Path(path), overwrite=overwrite)
        return self

    def clone(self, new_name: str) -> Environment:
        """Return a copy under another name; it has no version yet.

        Raises:
            DefinitionError: the name is empty.
        """
        if not new_name:
            raise DefinitionError("the clone of an environment needs a name")
        made = Environment(new_name)
        for one in self.__slots__:
            if one not in ("name", "version", "asset_id"):
                setattr(made, one, copy.deepcopy(getattr(self, one)))
        return made

    # in a workspace

    def register(self, workspace: Workspace) -> Environment:
        """Keep the environment as the next version of its name, and return it so; an identical latest one is returned.

        Raises:
            WorkspaceError: the name is not accepted or reserved.
        """
        from envbuild.azureml.environments.registered import register

        return register(workspace, self)

    @staticmethod
    def get(workspace: Workspace, name: str, version: str | int | None = None, label: str | None = None) -> Environment:
        """Return a version, the one under a label, or the latest; curated ones answer to their names.

        Raises:
            WorkspaceError: there is none, or both version and label are given.
        """
        from envbuild.azureml.environments.registered import get

        return get(workspace, name, None if version is None else str(version), label or "")

    @staticmethod
    def list(workspace: Workspace) -> dict[str, Environment]:
        """Return the latest version of every environment by name, curated ones among them."""
        from envbuild.azureml.environments.registered import list_all

        return list_all(workspace)

    @staticmethod
    def label(workspace: Workspace, name: str, version: str, labels: Sequence[str]) -> None:
        """Put labels on a version; each leaves the one that it was on.

        Raises:
            WorkspaceError: there is no such version, or a label is `latest`.
        """
        from envbuild.workspace.environments import label_environment

        label_environment(workspace.core, name, str(version), [*labels])

    @staticmethod
    def add_private_pip_wheel(workspace: Workspace, file_path: str | Path, exist_ok: bool = False) -> str:
        """Keep a wheel in the workspace and return the URL to give to `add_pip_package`; it is never published.

        Raises:
            WorkspaceError: a wheel of that name with other content is kept already (unless `exist_ok`, which keeps that).
        """
        from envbuild.azureml.environments.wheels import keep_wheel

        return keep_wheel(workspace.core, Path(file_path), exist_ok=exist_ok)

    def build(
        self, workspace: Workspace, image_build_compute: str | None = None, update: bool = False
    ) -> ImageBuildDetails:
        """Register the environment and build its image from its lock, in the background; with `update` lock anew first.

        `image_build_compute` is accepted and not used: the machine that runs this builds.
        """
        from envbuild.azureml.environments.building import start_build

        del image_build_compute
        return start_build(workspace, self.register(workspace), update=update)

    def build_local(self, workspace: Workspace, platform: str | None = None, **kwargs: Any) -> ImageBuildDetails:
        """Build on this machine: an image with `useDocker=True`, else a prefix; `pushImageToWorkspaceAcr=True` pushes the image.

        Where `useDocker` is not said, it is an image if it is to be pushed, `docker.enabled`, or manages its own packages.

        Raises:
            TypeError: another keyword is given.
        """
        from envbuild.azureml.environments.building import start_build

        push = kwargs.pop("pushImageToWorkspaceAcr", False)
        docker = kwargs.pop("useDocker", push or self.docker.enabled or self.python.user_managed_dependencies)
        if kwargs:
            raise TypeError(f"build_local() got an unexpected keyword argument {next(iter(kwargs))!r}")
        return start_build(workspace, self.register(workspace), docker=docker, push=push, platform=platform or "")

    def get_image_details(self, workspace: Workspace) -> DockerImageDetails:
        """Return what the image of the environment is, from its lock; nothing is built.

        Raises:
            WorkspaceError: the environment is not registered.
        """
        from envbuild.azureml.environments.building import image_details

        return image_details(workspace, self)

    def __str__(self) -> str:
        return f"Environment(Name: {self.name},\nVersion: {self.version})"

    def __repr__(self) -> str:
        from envbuild.azureml.environments.saved import without_secrets

        return json.dumps(without_secrets(environment_json(self, inline=True), {}), indent=4, sort_keys=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Environment) and repr(self) == repr(other)

    __hash__ = None  # type: ignore[assignment]


class EnvironmentReference(Environment):
    """The name and version of a registered environment, as a saved file may hold it."""

    __slots__ = ()

    def __init__(self, name: str | None, version: str | None = None) -> None:
        """Refer to a version, or to the latest."""
        super().__init__(name)
        self.version = version

    def get_environment(self, workspace: Workspace) -> Environment:
        """Return the environment itself.

        Raises:
            WorkspaceError: there is none.
        """
        return Environment.get(workspace, str(self.name), self.version)


def _on_base(name: str, docker: DockerSection, conda: str | Path | None, pip: str | Path | None) -> Environment:
    """Return an environment on a base of the user's own: with the packages of one file, or managing its own."""
    if conda is not None and pip is not None:
        raise DefinitionError("conda_specification and pip_requirements were both given", hint="name one of them")
    if conda is not None:
        made = Environment.from_conda_specification(name, conda)
    elif pip is not None:
        made = Environment.from_pip_requirements(name, pip)
    else:
        made = Environment(name)
        made.python.user_managed_dependencies = True
    made.docker = docker
    return made

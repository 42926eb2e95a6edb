"""`Estimator`: a script with its packages, for `Experiment.submit`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envbuild.azureml.environments.conda_dependencies import CondaDependencies
from envbuild.azureml.environments.environment import Environment
from envbuild.azureml.runs.runconfig import RunConfiguration
from envbuild.azureml.runs.script_run_config import ScriptRunConfig
from envbuild.core.errors import DefinitionError


class Estimator:
    """A script with an environment made from lists of packages. `script_run_config` is what is submitted."""

    def __init__(
        self,
        source_directory: str | Path,
        *,
        compute_target: Any = None,
        entry_script: str | None = None,
        script_params: Mapping[str, Any] | None = None,
        node_count: int = 1,
        use_docker: bool | None = None,
        custom_docker_image: str | None = None,
        user_managed: bool = False,
        conda_packages: Sequence[str] | None = None,
        pip_packages: Sequence[str] | None = None,
        conda_dependencies_file: str | Path | None = None,
        pip_requirements_file: str | Path | None = None,
        environment_variables: Mapping[str, str] | None = None,
        environment_definition: Environment | None = None,
        inputs: Sequence[Any] | None = None,
        shm_size: str | None = None,
        max_run_duration_seconds: int | None = None,
    ) -> None:
        """Take the settings.

        Raises:
            DefinitionError: there is no entry script, more than one node is asked for, or an environment and packages.
        """
        packages = (conda_packages, pip_packages, conda_dependencies_file, pip_requirements_file)
        if entry_script is None:
            raise DefinitionError("an Estimator needs an entry_script")
        if node_count != 1:
            raise DefinitionError(f"{node_count} nodes are not there", hint="a run is on one machine")
        if environment_definition is not None and any(packages):
            raise DefinitionError("environment_definition and packages were both given", hint="an environment has both")
        environment = environment_definition or _environment(packages)
        if environment_variables is not None:
            environment.environment_variables = dict(environment_variables)
        if custom_docker_image:
            environment.docker.base_image = custom_docker_image
        if user_managed:
            environment.python.user_managed_dependencies = True
        settings = RunConfiguration(environment=environment)
        settings.docker.use_docker, settings.docker.shm_size = bool(use_docker), shm_size
        arguments = [one for pair in (script_params or {}).items() for one in pair if one != ""]
        self.script_run_config = ScriptRunConfig(
            source_directory,
            entry_script,
            [*arguments, *(inputs or ())],
            settings,
            compute_target,
            max_run_duration_seconds=max_run_duration_seconds,
        )

    @property
    def run_config(self) -> RunConfiguration:
        """What the run runs in, and where."""
        return self.script_run_config.run_config

    @property
    def conda_dependencies(self) -> CondaDependencies | None:
        """The packages."""
        environment = self.run_config.environment
        return environment.python.conda_dependencies if environment is not None else None


def _environment(packages: tuple[Any, ...]) -> Environment:
    conda_packages, pip_packages, conda_file, pip_file = packages
    if conda_file is not None:
        made = Environment.from_conda_specification("estimator", conda_file)
    elif pip_file is not None:
        made = Environment.from_pip_requirements("estimator", pip_file)
    else:
        made = Environment("estimator")
    conda = made.python.conda_dependencies
    if conda is not None:
        for one in conda_packages or ():
            conda.add_conda_package(one)
        for one in pip_packages or ():
            conda.add_pip_package(one)
    return made

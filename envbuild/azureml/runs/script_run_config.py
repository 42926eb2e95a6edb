"""`ScriptRunConfig`: a folder, a script in it, and what it runs in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from envbuild.azureml.environments.environment import Environment
from envbuild.azureml.runs.runconfig import DockerConfiguration, RunConfiguration
from envbuild.core.errors import DefinitionError


class ScriptRunConfig:
    """What `Experiment.submit` runs. Settings are given here, or through `run_config` afterwards."""

    __slots__ = ("arguments", "command", "run_config", "script", "source_directory")

    def __init__(
        self,
        source_directory: str | Path = ".",
        script: str | None = None,
        arguments: Sequence[Any] | None = None,
        run_config: RunConfiguration | None = None,
        compute_target: Any = None,
        environment: Environment | None = None,
        command: str | Sequence[str] | None = None,
        docker_runtime_config: DockerConfiguration | None = None,
        max_run_duration_seconds: int | None = None,
        target: Any = None,
    ) -> None:
        """Take the settings; the script is looked for when it is submitted.

        Raises:
            DefinitionError: neither a script nor a command is given, or both.
        """
        self.run_config = run_config or RunConfiguration()
        self.script = script or self.run_config.script
        if bool(self.script) == bool(command):
            raise DefinitionError("a run needs a script, or a command, and not both")
        self.source_directory = str(source_directory)
        self.command = command
        self.arguments = list(arguments if arguments is not None else self.run_config.arguments)
        chosen = compute_target if compute_target is not None else target
        if chosen is not None:
            self.run_config.target = chosen
        if environment is not None:
            self.run_config.environment = environment
        if docker_runtime_config is not None:
            self.run_config.docker = docker_runtime_config
        if max_run_duration_seconds is not None:
            self.run_config.max_run_duration_seconds = max_run_duration_seconds

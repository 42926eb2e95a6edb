"""`RunConfiguration`: what a run runs in, and where."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from envbuild.azureml.data.data_reference import DataReference
from envbuild.azureml.environments.conda_dependencies import CondaDependencies
from envbuild.azureml.environments.environment import Environment
from envbuild.azureml.environments.saved import environment_parts
from envbuild.core.errors import DefinitionError, Problem
from envbuild.files import can_be_path
from envbuild.read.text import decode

DEFAULT_ENVIRONMENT = "default-environment"
"""The name of the environment of runs that name none."""


@dataclass(slots=True)
class HistoryConfiguration:
    """What is kept of a run: the copy of its folder, its outputs, and which further folders."""

    output_collection: bool = True
    snapshot_project: bool = True
    directories_to_watch: list[str] = field(default_factory=lambda: ["logs"])


@dataclass(slots=True)
class DockerConfiguration:
    """Whether a run is in a container, and with which further arguments of `docker run`."""

    use_docker: bool = False
    shared_volumes: bool = True
    arguments: list[str] = field(default_factory=list)
    shm_size: str | None = None


@dataclass(slots=True)
class RunConfiguration:
    """What a run runs in, and where: `target` is `local` or `docker`."""

    script: str | None = None
    arguments: list[Any] = field(default_factory=list)
    framework: str = "Python"
    communicator: str = "None"
    conda_dependencies: CondaDependencies | None = None
    target: Any = "local"
    environment: Environment | None = field(default_factory=lambda: Environment(DEFAULT_ENVIRONMENT))
    environment_variables: dict[str, str] = field(default_factory=dict)
    history: HistoryConfiguration = field(default_factory=HistoryConfiguration)
    docker: DockerConfiguration = field(default_factory=DockerConfiguration)
    node_count: int = 1
    max_run_duration_seconds: int | None = None
    data_references: dict[str, DataReference] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.conda_dependencies is not None and self.environment is not None:
            self.environment.python.conda_dependencies = self.conda_dependencies

    @staticmethod
    def load(path: str | Path, name: str | None = None) -> RunConfiguration:
        """Return a `.runconfig` file: `path` itself, or `name`.runconfig in the folder `path`, its `.azureml` or `aml_config`.

        Raises:
            DefinitionError: there is none, or it is not understood.
        """
        place = _find(Path(path), name)
        try:
            content = yaml.safe_load(decode(place.read_bytes(), str(place)))
        except (OSError, yaml.YAMLError, RecursionError) as error:
            raise DefinitionError(Problem(message=f"cannot be read: {error}", file=str(place))) from error
        if not isinstance(content, dict):
            raise DefinitionError(Problem(message="is not a run configuration: a map is needed", file=str(place)))
        _check(content, place)
        history, docker, variables = (
            _map(content, key, place) for key in ("history", "docker", "environmentVariables")
        )
        return RunConfiguration(
            script=content.get("script"),
            arguments=list(content.get("arguments") or []),
            framework=content.get("framework") or "Python",
            target=content.get("target") or "local",
            environment=_environment(content.get("environment"), place) or Environment(DEFAULT_ENVIRONMENT),
            environment_variables={str(name): str(value) for name, value in variables.items()},
            docker=DockerConfiguration(
                use_docker=bool(docker.get("useDocker", False)),
                arguments=[str(one) for one in docker.get("arguments") or []],
                shm_size=docker.get("shmSize"),
            ),
            history=HistoryConfiguration(
                output_collection=bool(history.get("outputCollection", True)),
                snapshot_project=bool(history.get("snapshotProject", True)),
                directories_to_watch=list(history.get("directoriesToWatch") or ["logs"]),
            ),
            node_count=int(content.get("nodeCount") or 1),
            max_run_duration_seconds=content.get("maxRunDurationSeconds"),
        )


def _find(path: Path, name: str | None) -> Path:
    if path.is_file():
        return path
    folders = (path, path / ".azureml", path / "aml_config")
    for folder in folders:
        if (folder / f"{name}.runconfig").is_file():
            return folder / f"{name}.runconfig"
    raise DefinitionError(f"there is no run configuration {name} in {path}", hint="name.runconfig, also in .azureml")


def _environment(content: Any, place: Path) -> Environment | None:
    if not isinstance(content, dict):
        return None
    parts = environment_parts({"name": content.get("name") or place.stem, **_set(content)}, {}, {})
    made = Environment.from_parts(parts)
    if written := made.python.conda_dependencies_file:
        # the path counts from the project, which holds the folder of the configuration
        places = [place.parent.parent / written, place.parent / written]
        if not can_be_path(written):
            raise DefinitionError(Problem(message="names no file", file=str(place), key="condaDependenciesFile"))
        found = next((one for one in places if one.is_file()), places[0])
        made.python.conda_dependencies = CondaDependencies(found)
        made.python.conda_dependencies_file = None
    return made


_SHAPES: dict[str, tuple[type, str]] = {
    **dict.fromkeys(("script", "target", "framework"), (str, "a text")),
    **dict.fromkeys(("nodeCount", "maxRunDurationSeconds"), (int, "a number")),
    "arguments": (list, "a list"),
}


def _check(content: dict[str, Any], place: Path) -> None:
    history = content.get("history")
    watched = history.get("directoriesToWatch") if isinstance(history, dict) else None
    odd = [
        Problem(message=f"{wanted} is needed", file=str(place), key=key)
        for key, (kind, wanted) in _SHAPES.items()
        if content.get(key) is not None and not isinstance(content[key], kind)
    ]
    if watched is not None and not (isinstance(watched, list) and all(isinstance(one, str) for one in watched)):
        odd.append(Problem(message="a list of folders is needed", file=str(place), key="history.directoriesToWatch"))
    if odd:
        raise DefinitionError(odd)


def _map(content: dict[str, Any], key: str, place: Path) -> dict[str, Any]:
    found = content.get(key) or {}
    if not isinstance(found, dict):
        raise DefinitionError(Problem(message="is no map", file=str(place), key=key))
    return found


def _set(content: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if value is not None}

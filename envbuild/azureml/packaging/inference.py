"""`InferenceConfig`: the scoring script, what lies beside it, and the environment; and its JSON or YAML file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from envbuild.app import Scoring, check_script
from envbuild.azureml.environments.environment import Environment, EnvironmentReference
from envbuild.azureml.environments.images import DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE
from envbuild.azureml.environments.saved import environment_json, environment_parts, from_json, without_secrets
from envbuild.azureml.environments.sections import ContainerRegistry
from envbuild.core.errors import DefinitionError, Problem, ServiceError
from envbuild.files import can_be_path, write_atomic

_OLD = {
    "runtime": "runtime",
    "conda_file": "condaFile",
    "extra_docker_file_steps": "extraDockerfileSteps",
    "enable_gpu": "enableGpu",
    "base_image": "baseImage",
    "base_image_registry": "baseImageRegistry",
    "cuda_version": "cudaVersion",
}
_TEXTS = (
    *("entryScript", "sourceDirectory", "description"),
    *("runtime", "condaFile", "extraDockerfileSteps", "baseImage", "cudaVersion"),
)


class InferenceConfig:
    """How a service scores. The older arguments make an environment of their own and cannot stand beside one."""

    __slots__ = ("_old", "description", "entry_script", "environment", "source_directory")

    def __init__(
        self,
        entry_script: str | Path,
        runtime: str | None = None,
        conda_file: str | Path | None = None,
        extra_docker_file_steps: str | Path | None = None,
        source_directory: str | Path | None = None,
        enable_gpu: bool | None = None,
        description: str | None = None,
        base_image: str | None = None,
        base_image_registry: Any = None,
        cuda_version: str | None = None,
        environment: Environment | None = None,
    ) -> None:
        """Check the script without running it.

        Raises:
            ServiceError: the folder or the script is missing, or the script is not one that can be served.
            DefinitionError: an environment and an older argument are both given.
        """
        given = (
            runtime,
            conda_file,
            extra_docker_file_steps,
            enable_gpu,
            base_image,
            base_image_registry,
            cuda_version,
        )
        self._old = {name: value for name, value in zip(_OLD, given, strict=True) if value is not None}
        if not str(entry_script):
            raise ServiceError("entry_script is empty", hint="name the script with init() and run()")
        if environment is not None and self._old:
            raise DefinitionError(
                f"environment and {', '.join(self._old)} were both given", hint="an environment has all of that in it"
            )
        if runtime is not None and runtime.lower() not in ("python", "python-slim"):
            raise DefinitionError(f"runtime {runtime!r} is not supported", hint="python is")
        if source_directory is not None and not Path(source_directory).is_dir():
            raise ServiceError(f"source_directory {source_directory} is no folder")
        self.entry_script = str(entry_script)
        self.source_directory = None if source_directory is None else str(Path(source_directory).resolve())
        self.description = description
        self.environment = environment or self._old_environment()
        check_script(self.scoring.file)

    @property
    def scoring(self) -> Scoring:
        """The script as envbuild packages it."""
        folder = None if self.source_directory is None else Path(self.source_directory)
        return Scoring(entry_script=Path(self.entry_script), source_directory=folder)

    @staticmethod
    def from_file(path: str | Path) -> InferenceConfig:
        """Return what `inferenceconfig.json` (or the same as YAML) says; paths in it count from its folder.

        Raises:
            DefinitionError: the file is not understood.
            ServiceError: the script is missing.
        """
        place = Path(path)
        content = _read(place)
        environment = content.get("environment")
        folder = content.get("sourceDirectory")
        source = place.parent / folder if folder else None
        script = content.get("entryScript")
        if not script:
            raise DefinitionError(Problem(message="is missing", file=place.name, key="entryScript"))
        old = {name: content[key] for name, key in _OLD.items() if content.get(key)}
        for name in ("conda_file", "extra_docker_file_steps"):
            if name in old:
                old[name] = _beside(place.parent, source, str(old[name]))
        return InferenceConfig(
            script if source is not None else place.parent / script,
            source_directory=source,
            description=content.get("description"),
            environment=_environment(environment),
            **(old if environment is None else {}),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the content of `inferenceconfig.json`, the environment inside it, without credentials."""
        content: dict[str, Any] = {"entryScript": self.entry_script, "sourceDirectory": self.source_directory}
        if self.description:
            content["description"] = self.description
        if self.environment is not None:
            content["environment"] = without_secrets(environment_json(self.environment, inline=True), {})
        return content

    def save(self, path: str | Path) -> None:
        """Write `inferenceconfig.json`."""
        write_atomic(Path(path), json.dumps(self.to_json(), indent=4) + "\n")

    def _old_environment(self) -> Environment | None:
        if not self._old:
            return None
        conda = self._old.get("conda_file")
        made = Environment.from_conda_specification("service", conda) if conda else Environment("service")
        default = DEFAULT_GPU_IMAGE if self._old.get("enable_gpu") else DEFAULT_CPU_IMAGE
        made.docker.base_image = self._old.get("base_image") or default
        made.docker.base_image_registry = self._old.get("base_image_registry")  # type: ignore[assignment]
        if steps := self._old.get("extra_docker_file_steps"):
            image = made.docker.base_image
            made.docker.base_image = None
            made.docker.base_dockerfile = f"FROM {image}\n{Path(steps).read_text(encoding='utf-8')}"
        return made


def _environment(content: Any) -> Environment | None:
    if content is None:
        return None
    if isinstance(content, dict) and set(content) <= {"name", "version"}:
        return EnvironmentReference(content.get("name"), content.get("version"))
    return Environment.from_parts(environment_parts(content, {}, {}))


def _beside(folder: Path, source: Path | None, path: str) -> Path:
    inside = (source or folder) / path
    return inside if inside.exists() else folder / path


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise DefinitionError(Problem(message=f"cannot be read: {error}", file=str(path))) from error
    if not isinstance(content, dict):
        raise DefinitionError(Problem(message="is not an inference configuration: a map is needed", file=str(path)))
    given = {key: content.get(key) for key in _TEXTS if content.get(key) is not None}
    odd = [key for key, value in given.items() if not isinstance(value, str) or not can_be_path(value)]
    if odd:
        raise DefinitionError([Problem(message="a text is needed", file=str(path), key=key) for key in odd])
    registry = content.get("baseImageRegistry")
    if isinstance(registry, dict):
        content["baseImageRegistry"] = from_json(ContainerRegistry, registry, "baseImageRegistry")
    return content

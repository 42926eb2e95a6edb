"""v2 command jobs: the YAML that `az ml job create` takes, as a run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.azureml.data.data_reference import DataReference
from envbuild.azureml.data.dataset import Dataset
from envbuild.azureml.environments.environment import EnvironmentReference
from envbuild.azureml.environments.environment_yaml import load_environment, parse_yaml, register
from envbuild.azureml.environments.references import parse_reference
from envbuild.azureml.environments.registered import find
from envbuild.azureml.runs.compute import targets
from envbuild.azureml.runs.script_run_config import ScriptRunConfig
from envbuild.core.errors import DefinitionError, Problem, WorkspaceError
from envbuild.files import can_be_path
from envbuild.read.findings import Findings
from envbuild.read.nodes import Node
from envbuild.read.text import decode, mend
from envbuild.read.yaml_nodes import parse_yaml as nodes

if TYPE_CHECKING:
    from envbuild.azureml.workspace import Workspace

_KEYS = (
    *("$schema", "type", "name", "display_name", "experiment_name", "description", "tags", "command", "code"),
    *("environment", "environment_variables", "inputs", "outputs", "compute", "limits", "resources"),
    *("properties", "services", "distribution", "identity", "queue_settings"),
)
_KINDS: dict[str, Any] = {
    **dict.fromkeys(
        ("inputs", "outputs", "limits", "resources", "distribution", "environment_variables", "tags"), Mapping
    ),
    **dict.fromkeys(("type", "command", "code", "experiment_name", "compute"), str),
    "environment": (str, Mapping),
}
_OF_COMPONENTS = ("version", "is_deterministic")
_PLACEHOLDER = re.compile(r"\$\{\{\s*(?P<name>(?:inputs|outputs)\.[A-Za-z0-9_]+)(?:\.path)?\s*\}\}")
_AWAY = ("http:", "https:", "wasb:", "wasbs:", "abfss:", "adl:", "azureml://")
_PATHS = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")


@dataclass(slots=True)
class Job:
    """A command job as a run: what is submitted, to which experiment, with which tags."""

    config: ScriptRunConfig
    experiment: str
    tags: dict[str, str]


@dataclass(slots=True)
class _Values:
    """What stands for `inputs.x` and `outputs.x` in the command, and the files and folders among it."""

    text: dict[str, str] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def load_job(workspace: Workspace, path: Path) -> Job:
    """Return the command job of the YAML file `path`; its environment is registered.

    An environment inside the job is anonymous, unless it has a name. Inputs are values, files and folders of this machine,
    or registered datasets. Without packages of its own, the environment is its image: the job then goes to a container, unless
    its `compute:` is a name that the workspace knows.

    Raises:
        DefinitionError: it is another kind of job, or something in it has no meaning on one machine; all of it is said.
        WorkspaceError: the environment that it refers to is not in the workspace.
    """
    findings = Findings()
    text = mend(decode(path.read_bytes(), path.name), path.name, findings)
    places = nodes(text, path.name, findings)
    findings.close()
    content = _of_today(parse_yaml(text, path.name))
    problems, values = list(_misshapen(content, places, path.name)), _Values()
    if not problems:
        problems = list(_problems(content, path))
        values = values if problems and problems[0].key == "type" else _values(workspace, content, path)
        problems += values.problems
    if problems:
        raise DefinitionError(replace(one, line=places.get(*one.key.split(".")).origin.line) for one in problems)
    environment, needed = _environment(workspace, content, path)
    target = targets(workspace).get(str(content.get("compute") or "").removeprefix("azureml:"), needed)
    command = _PLACEHOLDER.sub(lambda found: shlex.quote(values.text[found["name"]]), str(content["command"]))
    made = " ".join(shlex.quote(text) for name, text in values.text.items() if name.startswith("outputs."))
    config = ScriptRunConfig(
        # without code there is nothing to copy: the run gets a folder of its own
        (path.parent / str(content["code"])).resolve() if content.get("code") else _empty_folder(workspace),
        command=["/bin/sh", "-c", f"mkdir -p {made}\n{command}" if made else command],
        environment=environment,
        compute_target=target,
        max_run_duration_seconds=(content.get("limits") or {}).get("timeout"),
    )
    settings, resources = config.run_config, content.get("resources") or {}
    variables = content.get("environment_variables") or {}
    settings.environment_variables = {str(name): _text(value) for name, value in variables.items()}
    settings.data_references = {name: DataReference(place, "mount") for name, place in values.paths.items()}
    settings.docker.shm_size = resources.get("shm_size")
    settings.docker.arguments = shlex.split(str(resources.get("docker_args") or ""))
    tags = {str(key): _text(value) for key, value in (content.get("tags") or {}).items()}
    return Job(config, str(content.get("experiment_name") or path.parent.resolve().name), tags)


def _of_today(content: dict[str, Any]) -> dict[str, Any]:
    """Return a job as it is written now: the first previews had maps for the folder of the code and for the cluster."""
    old = {"code": "local_path", "compute": "target"}
    return {
        key: value.get(old[key]) if key in old and isinstance(value, Mapping) and old[key] in value else value
        for key, value in content.items()
    }


def _misshapen(content: Mapping[str, Any], places: Node, file: str) -> Iterator[Problem]:
    """Yield the values that are of another kind than their keys have."""
    for key, kind in _KINDS.items():
        value = content.get(key)
        if value is not None and not isinstance(value, kind):
            wanted = "a map" if kind is Mapping else "a text" if kind is str else "a text or a map"
            yield Problem(message=f"is a {places.get(key).kind}; {wanted} is needed", file=file, key=key)
    limits = content.get("limits")
    timeout = limits.get("timeout") if isinstance(limits, Mapping) else None
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int) or timeout <= 0):
        yield Problem(message=f"is {timeout!r}; seconds are needed", file=file, key="limits.timeout")


def _problems(content: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    file, kind = path.name, _other_kind(content)
    if kind:
        yield Problem(message=f"is {kind}; a command job is run", file=file, key="type", hint="type: command")
        return
    for key in content:
        if key not in _KEYS:
            yield Problem(message="is not a key of a command job", file=file, key=str(key))
    for key in ("command", "environment"):
        if not content.get(key):
            yield Problem(message="is missing", file=file, key=key)
    if _processes(content.get("distribution") or {}) != 1:
        yield Problem(message="needs several processes; a run here is one", file=file, key="distribution")
    instances = (content.get("resources") or {}).get("instance_count", 1)
    if instances not in (1, None):
        yield Problem(message=f"asks for {instances} machines", file=file, key="resources.instance_count")
    code = content.get("code")
    if code and (code.startswith(("azureml:", *_AWAY, "git+")) or _here(code, path.parent) is None):
        yield Problem(message=f"{code!r} is not a folder of this machine", file=file, key="code")


def _other_kind(content: Mapping[str, Any]) -> str:
    """Return what the document is instead of a command job, or an empty text."""
    kind = str(content.get("type") or ("command" if "command" in content else "no command job"))
    if kind == "command" and (
        "Component" in str(content.get("$schema")) or any(key in content for key in _OF_COMPONENTS)
    ):
        return "a command component, which a pipeline runs with its inputs"
    if kind == "command" and ("jobs" in content or "trial" in content):
        return "no command job"
    return "" if kind == "command" else kind


def _processes(distribution: Mapping[str, Any]) -> int:
    """Return how many processes a `distribution:` asks for; 0 where it does not say."""
    if not distribution:
        return 1
    counts = [distribution.get(one) for one in ("process_count_per_instance", "worker_count", "parameter_server_count")]
    return sum(one for one in counts if isinstance(one, int))


def _environment(workspace: Workspace, content: Mapping[str, Any], path: Path) -> tuple[EnvironmentReference, str]:
    """Return the job's environment, registered, and the target that it needs."""
    written = content["environment"]
    if isinstance(written, str) and not written.startswith("file:"):
        stored = find(workspace, *parse_reference(written))
    else:
        stored = register(workspace.core, load_environment(path))
    image_alone = stored.main.endswith((".yml", ".yaml")) and "conda_file:" not in stored.files[stored.main]
    return EnvironmentReference(stored.name, stored.version), "docker" if image_alone else "local"


def _values(workspace: Workspace, content: Mapping[str, Any], path: Path) -> _Values:
    values = _Values()
    for name, written in (content.get("inputs") or {}).items():
        try:
            found = _input(workspace, written, path.parent)
        except WorkspaceError as error:
            values.problems.append(Problem(message=str(error), file=path.name, key=f"inputs.{name}"))
            continue
        if isinstance(found, Path):
            values.paths[name] = found
        values.text[f"inputs.{name}"] = str(found)
    for name in content.get("outputs") or {}:
        values.text[f"outputs.{name}"] = f"outputs/{name}"
    known = {*values.text, *(one.key for one in values.problems)}
    for name in dict.fromkeys(found["name"] for found in _PLACEHOLDER.finditer(str(content.get("command") or ""))):
        if name not in known:
            values.problems.append(
                Problem(message=f"names {name}, which the job has not", file=path.name, key="command")
            )
    return values


def _input(workspace: Workspace, written: Any, folder: Path) -> str | Path:
    """Return an input: a value as text, or where its file or folder is on this machine.

    Raises:
        WorkspaceError: it is not here.
    """
    if not isinstance(written, Mapping):
        return _text(written)
    if "path" not in written:
        if written.get("type") in _PATHS or "default" not in written:
            raise WorkspaceError("has no path", hint="path: a file or folder of this machine, or azureml:name:version")
        return _text(written["default"])
    place = str(written["path"])
    if place.startswith("azureml:") and not place.startswith("azureml://"):
        name, version, _ = parse_reference(place)
        data = Dataset.get_by_name(workspace, name, version or "latest")
        alone = len(data.paths) == 1 and written.get("type") not in ("uri_folder", "mltable")
        return Path(data.paths[0] if alone else data.folder)
    if place.startswith(_AWAY):
        raise WorkspaceError(f"{place} is not on this machine", hint="download it, and name the path")
    found = _here(place.removeprefix("file:"), folder)
    if found is None:
        raise WorkspaceError(f"{folder / place} does not exist", hint="the path counts from the job's file")
    return found


def _here(text: str, folder: Path) -> Path | None:
    """Return where `text` leads to from `folder`, or None where nothing is."""
    found = (folder / text).resolve() if can_be_path(text) else None
    return found if found is not None and found.exists() else None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _empty_folder(workspace: Workspace) -> Path:
    folder = workspace.core.folder / "empty"
    folder.mkdir(parents=True, exist_ok=True)
    return folder

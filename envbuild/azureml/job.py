"""v2 command jobs: the YAML that `az ml job create` takes, as a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.azureml.core.environment import EnvironmentReference
from envbuild.azureml.core.script_run_config import ScriptRunConfig
from envbuild.azureml.references import parse_reference
from envbuild.azureml.v2 import load_environment, parse_yaml, register
from envbuild.core.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from envbuild.azureml.core.workspace import Workspace

_KEYS = (
    *("$schema", "type", "name", "display_name", "experiment_name", "description", "tags", "command", "code"),
    *("environment", "environment_variables", "inputs", "outputs", "compute", "limits", "resources"),
    *("properties", "services", "distribution", "identity", "queue_settings"),
)
_INPUT = re.compile(r"\$\{\{\s*(?P<kind>inputs|outputs)\.(?P<name>[A-Za-z0-9_]+)\s*\}\}")


def load_job(workspace: Workspace, path: Path) -> tuple[ScriptRunConfig, str]:
    """Return the command job of the YAML file `path` and the name of its experiment; its environment is registered.

    An environment inside the job is anonymous, unless it has a name. Inputs are values, or files and folders of this machine.

    Raises:
        DefinitionError: it is another kind of job, or something in it has no meaning on one machine.
        WorkspaceError: the environment that it refers to is not in the workspace.
    """
    content = parse_yaml(path.read_bytes().decode("utf-8-sig"), path.name)
    problems = list(_problems(content, path.name))
    if problems:
        raise DefinitionError(problems)
    values = _values(content, path)
    command = _INPUT.sub(lambda found: _value(found, values, path.name), str(content["command"]))
    config = ScriptRunConfig(
        (path.parent / str(content.get("code") or ".")).resolve(),
        command=["/bin/sh", "-c", command],
        environment=_environment(workspace, content, path),
        compute_target="local",
        max_run_duration_seconds=(content.get("limits") or {}).get("timeout"),
    )
    variables = content.get("environment_variables") or {}
    config.run_config.environment_variables = {str(name): str(value) for name, value in variables.items()}
    if not content.get("code"):
        # without code there is nothing to copy: the run gets a folder of its own
        config.source_directory = str(_empty_folder(workspace))
    return config, str(content.get("experiment_name") or path.parent.resolve().name)


def _problems(content: Mapping[str, Any], file: str) -> list[Problem]:
    kind = content.get("type") or ("command" if "command" in content else "")
    if kind != "command" or "jobs" in content or "trial" in content:
        found = kind or "no command job"
        return [Problem(message=f"is {found}; a command job is run", file=file, key="type", hint="type: command")]
    found = [
        Problem(message="is not a key of a command job", file=file, key=str(key)) for key in content if key not in _KEYS
    ]
    if not content.get("command"):
        found.append(Problem(message="is missing", file=file, key="command"))
    if not content.get("environment"):
        found.append(Problem(message="is missing", file=file, key="environment"))
    if content.get("distribution"):
        found.append(Problem(message="needs several processes; a run here is one", file=file, key="distribution"))
    instances = (content.get("resources") or {}).get("instance_count", 1)
    if instances not in (1, None):
        found.append(Problem(message=f"asks for {instances} machines", file=file, key="resources.instance_count"))
    if str(content.get("code") or "").startswith(("azureml:", "http:", "https:", "git+")):
        found.append(Problem(message="is not a folder of this machine", file=file, key="code"))
    return found


def _environment(workspace: Workspace, content: Mapping[str, Any], path: Path) -> EnvironmentReference:
    written = content["environment"]
    if isinstance(written, str) and not written.startswith("file:"):
        from envbuild.azureml.registered import find

        found = find(workspace, *parse_reference(written))
        return EnvironmentReference(found.name, found.version)
    stored = register(workspace.core, load_environment(path))
    return EnvironmentReference(stored.name, stored.version)


def _values(content: Mapping[str, Any], path: Path) -> dict[str, str]:
    values = {}
    for name, written in (content.get("inputs") or {}).items():
        place = written.get("path") if isinstance(written, Mapping) else written
        is_file = isinstance(written, Mapping)
        if is_file and str(place).startswith(("azureml:", "http:", "https:", "wasbs:", "abfss:")):
            raise DefinitionError(
                Problem(
                    message=f"{place} is not on this machine",
                    file=path.name,
                    key=f"inputs.{name}",
                    hint="download it, and name the path",
                )
            )
        values[f"inputs.{name}"] = str((path.parent / str(place)).resolve()) if is_file else _text(place)
    for name in content.get("outputs") or {}:
        values[f"outputs.{name}"] = f"outputs/{name}"
    return values


def _value(found: re.Match[str], values: Mapping[str, str], file: str) -> str:
    import shlex

    name = f"{found['kind']}.{found['name']}"
    if name not in values:
        raise DefinitionError(Problem(message=f"names {name}, which the job has not", file=file, key="command"))
    return shlex.quote(values[name])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _empty_folder(workspace: Workspace) -> Path:
    folder = workspace.core.folder / "empty"
    folder.mkdir(parents=True, exist_ok=True)
    return folder

"""`envbuild run` and `envbuild azureml-run`: scripts in their environments, and scripts that say azureml."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from envbuild.azureml.core.environment import Environment
    from envbuild.azureml.core.workspace import Workspace


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the two commands."""
    parser = commands.add_parser(
        "run",
        help="run a script, or a command job of Azure's v2, in its environment",
        description="The folder is copied, the environment registered and locked, the script run in it; outputs/ and logs/ are kept.",
    )
    parser.add_argument(
        "script", type=Path, metavar="SCRIPT|JOB.yml", help="a Python or shell script, or a job of Azure's v2"
    )
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT", help="all that comes behind the script goes to it"
    )
    parser.add_argument(
        "-d", "--source-directory", type=Path, metavar="DIR", help="what the script needs (default: its folder)"
    )
    parser.add_argument(
        "-e",
        "--environment",
        default="",
        metavar="NAME[:V]|PATH",
        help="registered, or a conda, requirements, v1 or v2 file",
    )
    parser.add_argument("-c", "--run-configuration", default="", metavar="NAME|FILE", help="a .runconfig of Azure's v1")
    parser.add_argument(
        "--experiment-name", default="", metavar="NAME", help="under which the run is kept (default: the folder's name)"
    )
    parser.add_argument("--target", default="", choices=["", "local", "docker"], help="a prefix here, or a container")
    parser.add_argument("-w", "--workspace", type=Path, help="the folder whose .envbuild is the workspace")
    parser.add_argument("--json", action="store_true", help="print the run as JSON, and not its output")
    parser.set_defaults(run=run)
    alias = commands.add_parser(
        "azureml-run",
        help="run a Python script here, its `azureml` imports answered by envbuild",
        description="The script is not changed; it runs with this Python.",
    )
    alias.add_argument("script", type=Path, help="a Python script that says `import azureml`")
    alias.add_argument("arguments", nargs=argparse.REMAINDER, help="all that comes behind the script goes to it")
    alias.set_defaults(run=azureml_run)


def run(arguments: argparse.Namespace) -> int:
    """Submit, follow, and return 0 if the script ended well, else 11."""
    from envbuild.azureml.core.experiment import Experiment
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.cli.model import find_workspace
    from envbuild.core.errors import ServiceError

    workspace = Workspace(find_workspace(arguments.workspace, create=True))
    config, experiment, tags = _config(workspace, arguments)
    started = Experiment(workspace, arguments.experiment_name or _name(experiment)).submit(config, tags)
    details = started.wait_for_completion(show_output=not arguments.json, raise_on_error=False)
    shown = {key: details.get(key) for key in ("status", "exit_code", "environment", "error", "image_key")}
    print(json.dumps({"id": started.id, **shown}) if arguments.json else f"{started.id}: {details['status']}")
    if details["status"] == "Completed":
        return 0
    if details.get("exit_code") is None:
        raise ServiceError(f"run {started.id} {details['status'].lower()}: {details.get('error', '')}")
    return ServiceError.exit_code


def azureml_run(arguments: argparse.Namespace) -> int:
    """Run the script as `__main__` and return what it exits with."""
    import runpy
    import traceback

    from envbuild.azureml.alias import install_alias
    from envbuild.core.errors import DefinitionError, EnvbuildError

    if not arguments.script.is_file():
        raise DefinitionError(f"{arguments.script} does not exist")
    install_alias()
    sys.argv = [str(arguments.script), *arguments.arguments]
    sys.path.insert(0, str(arguments.script.resolve().parent))
    try:
        runpy.run_path(str(arguments.script), run_name="__main__")
    except SystemExit as ended:
        return _code(ended.code)
    except EnvbuildError:
        raise
    except Exception:  # noqa: BLE001 - it is the script's, and shown as Python shows it
        traceback.print_exc()
        return 1
    return 0


def _code(code: Any) -> int:
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=sys.stderr)
    return 1


def _config(workspace: Workspace, arguments: argparse.Namespace) -> tuple[Any, str, dict[str, str]]:
    from envbuild.azureml.core.runconfig import RunConfiguration
    from envbuild.azureml.core.script_run_config import ScriptRunConfig
    from envbuild.azureml.runs.job import load_job
    from envbuild.core.errors import DefinitionError

    script: Path = arguments.script
    if not script.is_file() and arguments.source_directory is None:
        raise DefinitionError(f"{script} does not exist")
    if script.suffix in (".yml", ".yaml"):
        job = load_job(workspace, script)
        if arguments.target:
            job.config.run_config.target = arguments.target
        return job.config, job.experiment, job.tags
    source = arguments.source_directory or script.parent
    inside = script.as_posix() if arguments.source_directory is not None else script.name
    settings = (
        RunConfiguration.load(_place(arguments), arguments.run_configuration) if arguments.run_configuration else None
    )
    environment = _environment(workspace, arguments.environment) if arguments.environment else None
    config = ScriptRunConfig(
        source,
        inside,
        arguments.arguments or None,
        settings,
        compute_target=arguments.target or None,
        environment=environment,
    )
    return config, script.stem, {}


def _place(arguments: argparse.Namespace) -> Path:
    named = Path(arguments.run_configuration)
    return named if named.is_file() else (arguments.source_directory or arguments.script.parent)


def _name(text: str) -> str:
    import re

    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_") or "run"


def _environment(workspace: Workspace, text: str) -> Environment:
    """Return what `--environment` names: a file or folder of this machine, else a registered environment."""
    from envbuild.azureml.core.environment import Environment, EnvironmentReference
    from envbuild.azureml.environments.environment_yaml import load_environment, register
    from envbuild.azureml.environments.references import parse_reference
    from envbuild.azureml.environments.registered import find
    from envbuild.read.kinds import detect_kind

    path = Path(text)
    if path.is_dir():
        return Environment.load_from_directory(path)
    if not path.is_file():
        found = find(workspace, *parse_reference(text))
        return EnvironmentReference(found.name, found.version)
    kind = detect_kind(path)
    if kind == "azure-v2":
        stored = register(workspace.core, load_environment(path))
        return EnvironmentReference(stored.name, stored.version)
    name = _name(path.stem)
    if kind == "requirements":
        return Environment.from_pip_requirements(name, path)
    return Environment.from_conda_specification(name, path)

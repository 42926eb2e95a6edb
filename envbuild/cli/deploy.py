"""`envbuild deploy`: v2's YAML of endpoints and deployments, run on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.azureml.endpoints.values import BatchDeployment, Endpoint, OnlineDeployment
    from envbuild.core.progress import Progress


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "deploy",
        help="run what an Azure ML v2 endpoint or deployment YAML says",
        description="Reads online endpoints, online deployments and batch deployments (az ml … create -f), registers what "
        "they bring along, and runs them on this machine. A batch deployment is kept; `envbuild batch run` scores files with it.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="deployment.yml", help="in this order")
    parser.add_argument("-e", "--endpoint-name", default="", metavar="NAME", help="in the place of the file's")
    parser.add_argument("--engine", choices=("local", "docker", "podman"), default="", help="as a process of this machine (local, the default), or in a container, where an image with its own server always runs")  # fmt: skip
    parser.add_argument("--all-traffic", action="store_true", help="to this deployment, once it answers")
    parser.add_argument("--check", action="store_true", help="only read the files and say what they hold")
    parser.add_argument("-w", "--workspace", type=Path, help="the folder whose .envbuild is the workspace (default: found upwards, else made here)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=_deploy)


def _deploy(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.azureml.endpoints.deployment_yaml import read_deployments
    from envbuild.cli.model import find_workspace
    from envbuild.cli.progress import progress_for

    # all files are read before anything is done
    found = [read_deployments(path) for path in arguments.files]
    for one in found:
        for note in one.notes:
            print(f"note: {note}", file=sys.stderr)
    if arguments.check:
        for one in found:
            about = {"kind": type(one).__name__, "name": one.name, "file": str(one.file)}
            print(json.dumps(about) if arguments.json else f"{one.file}: {about['kind']} {one.name}")
        return 0
    workspace = Workspace(find_workspace(arguments.workspace, create=True))
    for one in found:
        _print(_done(workspace, one, arguments, progress_for(quiet=False)), as_json=arguments.json)
    return 0


def _done(
    workspace: Workspace,
    found: Endpoint | OnlineDeployment | BatchDeployment,
    arguments: argparse.Namespace,
    progress: Progress,
) -> dict[str, Any]:
    from envbuild.azureml.endpoints.batch import keep_deployment
    from envbuild.azureml.endpoints.online import OnlineEndpoint
    from envbuild.azureml.endpoints.values import BatchDeployment, Endpoint
    from envbuild.core.errors import DefinitionError, Problem, WorkspaceError

    if isinstance(found, BatchDeployment):
        return keep_deployment(workspace, found, progress)
    if isinstance(found, Endpoint):
        return _endpoint(workspace, found, arguments, progress)
    name = arguments.endpoint_name or found.endpoint
    if not name:
        hint = "or say --endpoint-name"
        raise DefinitionError(Problem(message="is missing", file=str(found.file), key="endpoint_name", hint=hint))
    try:
        endpoint = OnlineEndpoint(workspace, name)
    except WorkspaceError:
        endpoint = OnlineEndpoint.put(workspace, Endpoint(name=name, file=found.file))
    endpoint.deploy(found, progress, engine=arguments.engine, all_traffic=arguments.all_traffic)
    return endpoint.serialize()


def _endpoint(
    workspace: Workspace, found: Endpoint, arguments: argparse.Namespace, progress: Progress
) -> dict[str, Any]:
    """Make or change an endpoint, then what its file says of deployments and of their traffic."""
    from envbuild.azureml.endpoints.online import OnlineEndpoint
    from envbuild.azureml.endpoints.values import OnlineDeployment

    if found.batch:
        progress.note(f"{found.file}: a batch endpoint needs nothing here; its deployments are kept under its name")
        return {"name": found.name, "auth_mode": found.auth_mode, "kind": "batch"}
    endpoint = OnlineEndpoint.put(workspace, replace(found, name=arguments.endpoint_name or found.name))
    for one in found.deployments:
        if isinstance(one, OnlineDeployment):
            endpoint.deploy(one, progress, engine=arguments.engine)
    if found.traffic or found.mirror_traffic:
        endpoint.set_traffic(found.traffic, found.mirror_traffic)
    return endpoint.serialize()


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found))
    elif "scoring_uri" in found:
        from envbuild.cli.endpoint import line

        print(line(found))
    else:
        print("  ".join(str(found[key]) for key in ("name", "kind", "environment", "file") if key in found))

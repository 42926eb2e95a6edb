"""`envbuild service`: services of models, started, asked and ended."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.cli.model import find_workspace

if TYPE_CHECKING:
    from envbuild.azureml.core.webservice import Webservice
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.azureml.deploying import Deployment


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its verbs."""
    parser = commands.add_parser("service", help="deploy, list, ask, update and delete services")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    deploy = verbs.add_parser("deploy", help="start a service that answers with models")
    deploy.add_argument("-n", "--name", required=True, help="the service's name")
    deploy.add_argument("--overwrite", action="store_true", help="in the place of one of that name")
    add_deployment(deploy)
    deploy.set_defaults(run=_deploy)
    listing = verbs.add_parser("list", help="the services and their states")
    listing.set_defaults(run=_list)
    for name, run, text in (
        ("show", _show, "one service"),
        ("logs", _logs, "what a service said"),
        ("update", _update, "start a service again with other models or another script"),
        ("delete", _delete, "end a service and forget it"),
        ("run", _run, "send one request to score and print the answer"),
    ):
        one = verbs.add_parser(name, help=text)
        one.add_argument("-n", "--name", required=True, help="the service's name")
        one.set_defaults(run=run)
        if name == "update":
            add_deployment(one)
        if name == "logs":
            one.add_argument("--lines", type=int, default=5000, help="the last so many (default: 5000)")
        if name == "run":
            one.add_argument("-d", "--input-data", required=True, metavar="TEXT|@FILE", help="the request's body")
    for one in verbs.choices.values():
        one.add_argument(
            "-w", "--workspace", type=Path, help="the folder whose .envbuild is the workspace (default: found upwards)"
        )
        one.add_argument("--json", action="store_true", help="print the result as JSON")


def add_deployment(parser: argparse.ArgumentParser) -> None:
    """Add what a deployment says: models, the script's configuration, where."""
    parser.add_argument("-m", "--model", action="append", default=[], metavar="NAME[:V]", help="repeatable")
    parser.add_argument(
        "--ic",
        "--inference-config-file",
        dest="ic",
        type=Path,
        metavar="inferenceconfig.json",
        help="entry script and environment",
    )
    parser.add_argument(
        "--dc",
        "--deploy-config-file",
        dest="dc",
        type=Path,
        metavar="deploymentconfig.json",
        help="where, and with how much: computeType local, aci or aks",
    )


def deployment_of(path: Path) -> Deployment:
    """Return what `deploymentconfig.json` (or the same as YAML) says: `computeType` local, aci or aks, and its settings.

    Raises:
        DefinitionError: it is not understood.
    """
    import yaml

    from envbuild.azureml.core.webservice import AciWebservice, AksWebservice, LocalWebservice
    from envbuild.core.errors import DefinitionError, Problem

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DefinitionError(Problem(message=f"cannot be read: {error}", file=str(path))) from error
    kind = str(content.get("computeType", "")).lower() if isinstance(content, dict) else ""
    if kind not in ("local", "aci", "aks"):
        raise DefinitionError(
            Problem(
                message=f"{kind or 'nothing'!r} is not known", file=str(path), key="computeType", hint="local, aci, aks"
            )
        )
    needed = content.get("containerResourceRequirements") or {}
    resources = {"cpu_cores": needed.get("cpu"), "memory_gb": needed.get("memoryInGB")}
    if kind == "local":
        return LocalWebservice.deploy_configuration(port=content.get("port"))
    if kind == "aci":
        return AciWebservice.deploy_configuration(**resources, auth_enabled=content.get("authEnabled"))
    scaler = content.get("autoScaler") or {}
    return AksWebservice.deploy_configuration(
        **resources,
        auth_enabled=content.get("authEnabled"),
        autoscale_enabled=scaler.get("autoscaleEnabled"),
        autoscale_min_replicas=scaler.get("minReplicas"),
        autoscale_max_replicas=scaler.get("maxReplicas"),
        autoscale_target_utilization=scaler.get("targetUtilization"),
        num_replicas=content.get("numReplicas"),
        gpu_cores=content.get("gpuCores"),
        namespace=content.get("namespace"),
    )


def deploy(workspace: Workspace, arguments: argparse.Namespace) -> int:
    """Deploy as the arguments say, wait, and print the service."""
    from envbuild.azureml.core.model import InferenceConfig, Model

    service = Model.deploy(
        workspace,
        arguments.name,
        [Model(workspace, id=one) for one in arguments.model],
        InferenceConfig.from_file(arguments.ic) if arguments.ic is not None else None,
        deployment_of(arguments.dc) if arguments.dc is not None else None,
        overwrite=getattr(arguments, "overwrite", False),
    )
    service.wait_for_deployment(show_output=not arguments.json)
    _print([service], as_json=arguments.json)
    return 0


def _workspace(arguments: argparse.Namespace) -> Workspace:
    from envbuild.azureml.core.workspace import Workspace

    return Workspace(find_workspace(arguments.workspace))


def _one(arguments: argparse.Namespace) -> Webservice:
    from envbuild.azureml.core.webservice import Webservice

    return Webservice.of(_workspace(arguments), arguments.name)


def _deploy(arguments: argparse.Namespace) -> int:
    return deploy(_workspace(arguments), arguments)


def _list(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.core.webservice import Webservice

    _print([*Webservice.list(_workspace(arguments))], as_json=arguments.json)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    _print([_one(arguments)], as_json=arguments.json)
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    text = _one(arguments).get_logs(arguments.lines)
    print(json.dumps({"log": text}) if arguments.json else text)
    return 0


def _update(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.core.model import InferenceConfig, Model

    service = _one(arguments)
    models = [Model(service.workspace, id=one) for one in arguments.model] or None
    service.update(models, InferenceConfig.from_file(arguments.ic) if arguments.ic is not None else None)
    service.wait_for_deployment(show_output=not arguments.json)
    _print([service], as_json=arguments.json)
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    _one(arguments).delete()
    print(json.dumps({"deleted": arguments.name}) if arguments.json else f"{arguments.name}: deleted")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    written: str = arguments.input_data
    data: Any = Path(written[1:]).read_bytes().decode() if written.startswith("@") else written
    answer = _one(arguments).run(data)
    if isinstance(answer, bytes):
        sys.stdout.buffer.write(answer)
        return 0
    print(json.dumps(answer))
    return 0


def _print(services: list[Webservice], *, as_json: bool) -> None:
    for one in services:
        found = one.serialize()
        print(
            json.dumps(found)
            if as_json
            else f"{one.name}  {one.state}  {one.scoring_uri}  {found.get('error') or ''}".rstrip()
        )

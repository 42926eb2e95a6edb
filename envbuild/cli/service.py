"""`envbuild service`: services of models, started, asked and ended."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.cli.arguments import add_workspace
from envbuild.cli.model import find_workspace

if TYPE_CHECKING:
    from envbuild.azureml.core.webservice import Webservice
    from envbuild.azureml.core.workspace import Workspace


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
    listing.add_argument("--compute-type", metavar="KIND", help="local, aci or aks")
    listing.add_argument("--model-name", metavar="NAME", help="those with this model")
    listing.add_argument("--model-id", metavar="NAME:V", help="those with this version of a model")
    listing.add_argument(
        "--tag", action="append", default=[], metavar="KEY[=VALUE]", help="those with the tag; repeatable"
    )
    listing.set_defaults(run=_list)
    for name, run, text in (
        ("show", _show, "one service"),
        ("logs", _logs, "what a service said"),
        ("update", _update, "change a service: its models, script, image or settings"),
        ("delete", _delete, "end a service and forget it"),
        ("run", _run, "send one request to score and print the answer"),
        ("keys", _keys, "print the two keys, or replace one"),
        ("token", _token, "print a token and when to ask for the next"),
    ):
        one = verbs.add_parser(name, help=text)
        one.add_argument("-n", "--name", required=True, help="the service's")
        one.set_defaults(run=run)
        _ADD.get(name, lambda _: None)(one)
    for one in verbs.choices.values():
        add_workspace(one)
        one.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_update(parser: argparse.ArgumentParser) -> None:
    add_deployment(parser)
    add = parser.add_argument
    add("--image", metavar="NAME", help="run this image, which serves; for services in containers")
    add("--tag", "--add-tag", action="append", default=[], metavar="KEY=VALUE", help="add or change; repeatable")
    add("--remove-tag", action="append", default=[], metavar="KEY", help="repeatable")
    add("--property", "--add-property", action="append", default=[], metavar="KEY=VALUE", help="add; repeatable")
    add("--description", metavar="TEXT", help="in the place of the one before")
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of its deploy_configuration; repeatable",
    )


def _add_logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-l", "--lines", type=int, default=5000, help="the last so many lines (5000)")
    parser.add_argument("--init", action="store_true", help="what the deployment did")


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-d", "--input-data", required=True, metavar="TEXT|@FILE", help="the request's body")


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-k", "--regenerate", choices=["primary", "secondary"], help="replace this key")
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="the new key is in this file, not a random one")


_ADD = {"update": _add_update, "logs": _add_logs, "run": _add_run, "keys": _add_keys}


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


def deploy(workspace: Workspace, arguments: argparse.Namespace) -> int:
    """Deploy as the arguments say, wait, and print the service."""
    from envbuild.azureml.core.model import InferenceConfig, Model
    from envbuild.azureml.services.deployment_file import read_deployment

    service = Model.deploy(
        workspace,
        arguments.name,
        [Model(workspace, id=one) for one in arguments.model],
        InferenceConfig.from_file(arguments.ic) if arguments.ic is not None else None,
        read_deployment(arguments.dc) if arguments.dc is not None else None,
        overwrite=getattr(arguments, "overwrite", False),
    )
    service.wait_for_deployment(show_output=not arguments.json)
    _print([service], as_json=arguments.json)
    return 0


def _workspace(arguments: argparse.Namespace, *, create: bool = False) -> Workspace:
    from envbuild.azureml.core.workspace import Workspace

    return Workspace(find_workspace(arguments.workspace, create=create))


def _one(arguments: argparse.Namespace) -> Webservice:
    from envbuild.azureml.core.webservice import Webservice

    return Webservice.of(_workspace(arguments), arguments.name)


def _deploy(arguments: argparse.Namespace) -> int:
    return deploy(_workspace(arguments, create=True), arguments)


def _list(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.core.webservice import Webservice

    tags = [tuple(one.split("=", 1)) if "=" in one else one for one in arguments.tag]
    found = Webservice.list(
        _workspace(arguments), arguments.compute_type, arguments.model_name, arguments.model_id, tags
    )
    _print([*found], as_json=arguments.json)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    _print([_one(arguments)], as_json=arguments.json)
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    text = _one(arguments).get_logs(arguments.lines, arguments.init)
    print(json.dumps({"log": text}) if arguments.json else text)
    return 0


def _update(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.core.model import InferenceConfig, Model
    from envbuild.azureml.services.deployment_file import read_deployment

    service = _one(arguments)
    settings = {name: _value(text) for name, text in _pairs(arguments.set, "--set").items()}
    if arguments.tag or arguments.remove_tag:
        tags = {**service.tags, **_pairs(arguments.tag, "--tag")}
        settings["tags"] = {key: value for key, value in tags.items() if key not in arguments.remove_tag}
    if arguments.property:
        settings["properties"] = _pairs(arguments.property, "--property")
    settings["description"] = arguments.description
    service.update(
        [Model(service.workspace, id=one) for one in arguments.model] or None,
        InferenceConfig.from_file(arguments.ic) if arguments.ic is not None else None,
        image=arguments.image,
        deployment_config=read_deployment(arguments.dc) if arguments.dc is not None else None,
        **settings,
    )
    service.wait_for_deployment(show_output=not arguments.json)
    _print([service], as_json=arguments.json)
    return 0


def _pairs(given: list[str], option: str) -> dict[str, str]:
    from envbuild.core.errors import UsageError

    wrong = [one for one in given if "=" not in one]
    if wrong:
        raise UsageError(f"{option} {wrong[0]}: KEY=VALUE is needed")
    return {key: value for key, _, value in (one.partition("=") for one in given)}


def _value(text: str) -> Any:
    """Read a setting: true, false or a number as such, anything else as text."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, (bool, int, float)) else text


def _keys(arguments: argparse.Namespace) -> int:
    service = _one(arguments)
    if arguments.regenerate:
        given = arguments.key_file.read_text(encoding="utf-8").strip() if arguments.key_file else None
        service.regen_key(arguments.regenerate, given)
    first, second = service.get_keys()
    keys = {"primaryKey": first, "secondaryKey": second}
    print(json.dumps(keys) if arguments.json else f"{first}\n{second}")
    return 0


def _token(arguments: argparse.Namespace) -> int:
    token, refresh = _one(arguments).get_token()
    found = {"accessToken": token, "tokenType": "Bearer", "refreshAfter": refresh.isoformat()}
    print(json.dumps(found) if arguments.json else token)
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

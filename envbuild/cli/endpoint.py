"""`envbuild endpoint`: v2's online endpoints on this machine."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.cli.arguments import add_workspace

if TYPE_CHECKING:
    from envbuild.azureml.endpoints.online import OnlineEndpoint


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its verbs."""
    parser = commands.add_parser("endpoint", help="list, ask, split and delete online endpoints (made by deploy)")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    verbs.add_parser("list", help="the endpoints and their states").set_defaults(run=_list)
    for name, run, text in (
        ("show", _show, "one endpoint and its deployments"),
        ("update", _update, "split the requests among the deployments"),
        ("invoke", _invoke, "send one request to score and print the answer"),
        ("credentials", _credentials, "the keys, or a token that holds for an hour"),
        ("regenerate-keys", _regenerate, "replace a key by a new one, or by one of your own"),
        ("logs", _logs, "what a deployment said"),
        ("delete", _delete, "end an endpoint with all its deployments, or one deployment"),
    ):
        one = verbs.add_parser(name, help=text)
        one.add_argument("-n", "--name", required=True, help="the endpoint's")
        one.set_defaults(run=run)
        if name == "update":
            one.add_argument("--traffic", nargs="+", default=[], metavar="NAME=PERCENT", help="adds up to 100")
            one.add_argument("--mirror-traffic", nargs="+", default=[], metavar="NAME=PERCENT", help="gets copies, its answers are dropped")  # fmt: skip
        if name in ("invoke", "logs", "delete"):
            one.add_argument(
                "-d",
                "--deployment-name",
                default="",
                required=name == "logs",
                metavar="NAME",
                help="one of its deployments",
            )
        if name == "regenerate-keys":
            one.add_argument("--key-type", choices=("primary", "secondary"), required=True, help="which one")
            one.add_argument("--key-value", metavar="KEY", help="the new one (default: a random one)")
        if name == "invoke":
            one.add_argument("-r", "--request-file", type=Path, metavar="FILE", help="the request's body (default: standard input)")  # fmt: skip
    for one in verbs.choices.values():
        add_workspace(one)
        one.add_argument("--json", action="store_true", help="print the result as JSON")


def line(found: dict[str, Any]) -> str:
    """Return an endpoint as one line."""
    traffic = ", ".join(f"{name} {percent} %" for name, percent in found["traffic"].items()) or "no traffic"
    idle = [name for name in found["deployments"] if name not in found["traffic"]]
    return f"{found['name']}  {found['state']}  {found['scoring_uri']}  {', '.join([traffic, *idle])}"


def _one(arguments: argparse.Namespace) -> OnlineEndpoint:
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.azureml.endpoints.online import OnlineEndpoint
    from envbuild.cli.model import find_workspace

    return OnlineEndpoint(Workspace(find_workspace(arguments.workspace)), arguments.name)


def _print(found: dict[str, Any], *, as_json: bool) -> int:
    print(json.dumps(found) if as_json else line(found))
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.azureml.endpoints.online import OnlineEndpoint
    from envbuild.cli.model import find_workspace

    for one in OnlineEndpoint.list(Workspace(find_workspace(arguments.workspace))):
        _print(one.serialize(), as_json=arguments.json)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    return _print(_one(arguments).serialize(), as_json=arguments.json)


def _update(arguments: argparse.Namespace) -> int:
    endpoint = _one(arguments)
    mirror = _percents(arguments.mirror_traffic)
    endpoint.set_traffic(_percents(arguments.traffic) or endpoint.values["traffic"], mirror)
    return _print(endpoint.serialize(), as_json=arguments.json)


def _percents(written: list[str]) -> dict[str, int]:
    """Return `blue=90 green=10`, which may also be one text, as numbers.

    Raises:
        DefinitionError: one is not NAME=PERCENT.
    """
    from envbuild.core.errors import DefinitionError

    found = {}
    for text in " ".join(written).replace(",", " ").split():
        parts = re.fullmatch(r"([\w.-]+)=(\d+)%?", text)
        if parts is None:
            raise DefinitionError(
                f"traffic {text!r} is not NAME=PERCENT", hint='for example --traffic "blue=90 green=10"'
            )
        found[parts[1]] = int(parts[2])
    return found


def _invoke(arguments: argparse.Namespace) -> int:
    body = arguments.request_file.read_bytes() if arguments.request_file else sys.stdin.buffer.read()
    sys.stdout.buffer.write(_one(arguments).invoke(body, arguments.deployment_name))
    sys.stdout.write("\n")
    return 0


def _credentials(arguments: argparse.Namespace) -> int:
    found = _one(arguments).credentials()
    print(json.dumps(found) if arguments.json else "\n".join(f"{key}: {value}" for key, value in found.items()))
    return 0


def _regenerate(arguments: argparse.Namespace) -> int:
    endpoint = _one(arguments)
    endpoint.change_key(arguments.key_type, arguments.key_value)
    return _credentials(arguments)


def _logs(arguments: argparse.Namespace) -> int:
    text = _one(arguments).logs(arguments.deployment_name)
    print(json.dumps({"log": text}) if arguments.json else text)
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    endpoint, deployment = _one(arguments), arguments.deployment_name
    if deployment:
        endpoint.delete_deployment(deployment)
    else:
        endpoint.delete()
    deleted = f"{arguments.name}/{deployment}" if deployment else arguments.name
    print(json.dumps({"deleted": deleted}) if arguments.json else f"{deleted}: deleted")
    return 0

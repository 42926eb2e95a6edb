"""`envbuild trigger`: what happens when a model gets a new version."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from envbuild.cli.arguments import add_workspace


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its verbs."""
    parser = commands.add_parser("trigger", help="run a command, or deploy, when a model gets a new version")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    add = verbs.add_parser(
        "add",
        help="keep a trigger",
        description="The command is given to /bin/sh in this folder, with MODEL_NAME, MODEL_VERSION and MODEL_ID in its environment.",
    )
    add.add_argument("name", metavar="TRIGGER", help="the trigger's name")
    add.add_argument("-m", "--model", default="", metavar="NAME", help="only for this model (default: any)")
    add.add_argument("--tag", action="append", default=[], metavar="KEY=VALUE", help="only for versions with this tag; repeatable")  # fmt: skip
    what = add.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", dest="command_line", default="", metavar="COMMAND", help="what to run")
    what.add_argument("--deploy", type=Path, metavar="deployment.yml", help="what to deploy; write its model azureml:NAME@latest")  # fmt: skip
    add.set_defaults(run=_add)
    verbs.add_parser("list", help="the triggers, and what became of each last time").set_defaults(run=_list)
    for name, run, text in (
        ("run", _run, "run a trigger for a version, and wait for it"),
        ("logs", _logs, "what a trigger's last command said"),
        ("remove", _remove, "forget a trigger"),
    ):
        one = verbs.add_parser(name, help=text)
        one.add_argument("name", metavar="TRIGGER", help="the trigger's name")
        if name == "run":
            one.add_argument("model", metavar="NAME[:VERSION]", help="the model that it is run for")
        one.set_defaults(run=run)
    for one in verbs.choices.values():
        add_workspace(one)
        one.add_argument("--json", action="store_true", help="print the result as JSON")


def _add(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.endpoints.triggers import add_trigger
    from envbuild.cli.model import find_workspace, pairs

    made = add_trigger(
        find_workspace(arguments.workspace, create=True),
        arguments.name,
        model=arguments.model,
        command=arguments.command_line,
        deploy=arguments.deploy,
        tags=pairs(arguments.tag),
    )
    print(
        json.dumps({"name": made.name, "command": made.command}) if arguments.json else f"{made.name}: {made.command}"
    )
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.endpoints.triggers import triggers
    from envbuild.cli.model import find_workspace

    for one in triggers(find_workspace(arguments.workspace)):
        last = one["last"]
        said = f"{last['model']} {last['status']}" if last else "never ran"
        print(json.dumps(one) if arguments.json else f"{one['name']}  {one['model'] or 'any model'}  {said}  {one['command']}")  # fmt: skip
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.endpoints.triggers import run_trigger
    from envbuild.cli.model import find_workspace
    from envbuild.core.errors import ServiceError
    from envbuild.workspace.models import get_model

    workspace = find_workspace(arguments.workspace)
    model = get_model(workspace, arguments.model)
    if code := run_trigger(workspace, arguments.name, model):
        raise ServiceError(
            f"the command of trigger {arguments.name} ended with code {code}",
            hint="`envbuild trigger logs` shows what it said",
        )
    print(json.dumps({"trigger": arguments.name, "model": model.id}) if arguments.json else f"{arguments.name}: ran for {model.id}")  # fmt: skip
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.endpoints.triggers import triggers
    from envbuild.cli.model import find_workspace
    from envbuild.core.errors import WorkspaceError

    found = {one["name"]: one["last"] for one in triggers(find_workspace(arguments.workspace))}.get(arguments.name)
    if not found:
        raise WorkspaceError(f"trigger {arguments.name} never ran", hint="`envbuild trigger list`")
    text = Path(found["log"]).read_text(encoding="utf-8", errors="replace")
    print(json.dumps({"log": text}) if arguments.json else text)
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.endpoints.triggers import remove_trigger
    from envbuild.cli.model import find_workspace

    remove_trigger(find_workspace(arguments.workspace), arguments.name)
    print(json.dumps({"removed": arguments.name}) if arguments.json else f"{arguments.name}: removed")
    return 0

"""`envbuild model create` and `update`: v2's model YAML, and what may change of a model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_create(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `create`."""
    create = verbs.add_parser("create", help="register what a v2 model YAML says")
    create.add_argument("-f", "--file", required=True, type=Path, metavar="model.yml", help="what `az ml model create -f` takes")  # fmt: skip
    create.set_defaults(run=_create)


def add_update(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `update`."""
    update = verbs.add_parser("update", help="change a model's tags and description, add properties")
    update.add_argument("-i", "--model-id", required=True, metavar="NAME[:VERSION]", help="the model")
    update.add_argument("--add-tag", action="append", default=[], metavar="KEY=VALUE", help="repeatable")
    update.add_argument("--remove-tag", action="append", default=[], metavar="KEY", help="repeatable")
    update.add_argument("--add-property", action="append", default=[], metavar="KEY=VALUE", help="one that is there keeps its value; repeatable")  # fmt: skip
    update.add_argument("-d", "--description", metavar="TEXT", help="in the place of the one before")
    update.set_defaults(run=_update)


def _create(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.endpoints.triggers import fire
    from envbuild.azureml.models.model_yaml import create_model, read_model
    from envbuild.cli.model import find_workspace, print_models

    wanted = read_model(arguments.file)
    for note in wanted.notes:
        print(f"note: {note}", file=sys.stderr)
    workspace = find_workspace(arguments.workspace, create=True)
    made = create_model(workspace, wanted)
    for name in fire(workspace, made):
        print(f"note: trigger {name} was started", file=sys.stderr)
    print_models([made], as_json=arguments.json)
    return 0


def _update(arguments: argparse.Namespace) -> int:
    from envbuild.cli.model import find_workspace, pairs, print_models
    from envbuild.workspace.models import change_model, get_model

    workspace = find_workspace(arguments.workspace)
    model = get_model(workspace, arguments.model_id)
    kept = {key: value for key, value in model.tags.items() if key not in arguments.remove_tag}
    changed = change_model(
        workspace,
        model,
        description=arguments.description,
        tags={**kept, **pairs(arguments.add_tag)},
        properties=pairs(arguments.add_property),
    )
    print_models([changed], as_json=arguments.json)
    return 0

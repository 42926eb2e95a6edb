"""`envbuild batch`: files scored by a script with init() and run(mini_batch)."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.cli.arguments import add_workspace

if TYPE_CHECKING:
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.azureml.endpoints.deployed import Ready
    from envbuild.azureml.endpoints.values import BatchDeployment
    from envbuild.core.progress import Progress


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its verbs."""
    parser = commands.add_parser("batch", help="score files with a script that has init() and run(mini_batch)")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    run = verbs.add_parser(
        "run",
        help="score a file or a folder",
        description="With a v2 batch deployment YAML, one that `envbuild deploy` kept, or an inference configuration and models.",
    )
    run.add_argument(
        "deployment",
        nargs="?",
        default="",
        metavar="deployment.yml|NAME",
        help="a batch deployment, or one that deploy kept",
    )
    run.add_argument("--ic", "--inference-config-file", dest="ic", type=Path, metavar="inferenceconfig.json", help="instead of a deployment")  # fmt: skip
    run.add_argument("-m", "--model", action="append", default=[], metavar="NAME[:V]", help="with --ic; repeatable")
    run.add_argument("-i", "--input", required=True, type=Path, metavar="PATH", help="a file, or a folder with files")
    run.add_argument("-o", "--output", required=True, type=Path, metavar="FOLDER", help="for the rows and summary.json")
    run.add_argument("--mini-batch-size", type=int, metavar="N", help="files at a time")
    run.add_argument("--workers", type=int, metavar="N", help="processes")
    run.add_argument("--engine", choices=("local", "docker", "podman"), default="local", help="as processes of this machine (local), or in containers")  # fmt: skip
    run.set_defaults(run=_run)
    verbs.add_parser("list", help="the batch deployments that were kept").set_defaults(run=_list)
    for one in verbs.choices.values():
        add_workspace(one)
        one.add_argument("--json", action="store_true", help="print the result as JSON")


def _run(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.azureml.endpoints.batch import score_files
    from envbuild.cli.model import find_workspace
    from envbuild.cli.progress import progress_for

    workspace = Workspace(find_workspace(arguments.workspace, create=True))
    progress = progress_for(quiet=False)
    ready, wanted = _ready(workspace, arguments, progress)
    outcome = score_files(
        ready, wanted, arguments.input, arguments.output, engine=arguments.engine, progress=progress
    ).to_dict()
    if arguments.json:
        print(json.dumps(outcome))
    else:
        print(f"{outcome['files']} files in {outcome['mini_batches']} mini-batches, {outcome['failed_files']} failed")
        print(
            f"{outcome['rows']} rows: {arguments.output / (wanted.output_file if wanted.append_rows else 'summary.json')}"
        )
    return 0


def _ready(workspace: Workspace, arguments: argparse.Namespace, progress: Progress) -> tuple[Ready, BatchDeployment]:
    from dataclasses import replace

    from envbuild.azureml.endpoints.batch import kept_deployment
    from envbuild.azureml.endpoints.deployed import prepare, prepare_configured
    from envbuild.azureml.endpoints.deployment_yaml import read_deployments
    from envbuild.azureml.endpoints.values import BatchDeployment
    from envbuild.core.errors import DefinitionError, Problem

    if bool(arguments.deployment) == bool(arguments.ic):
        raise DefinitionError("nothing, or too much, says how to score", hint="give a deployment, or --ic and -m")
    changes: dict[str, Any] = {"mini_batch_size": arguments.mini_batch_size, "workers": arguments.workers}
    given = {key: value for key, value in changes.items() if value is not None}
    if any(value < 1 for value in given.values()):
        raise DefinitionError("--mini-batch-size and --workers are 1 or more")
    if arguments.ic:
        ready = prepare_configured(workspace, arguments.ic, arguments.model, progress)
        return ready, replace(BatchDeployment(name="batch", endpoint="", file=arguments.ic), **given)
    path = Path(arguments.deployment)
    path = path if path.suffix in (".yml", ".yaml") else kept_deployment(workspace, arguments.deployment)
    wanted = read_deployments(path)
    if not isinstance(wanted, BatchDeployment):
        message = "is no batch deployment"
        raise DefinitionError(Problem(message=message, file=str(path), hint="`envbuild deploy` runs online ones"))
    for note in wanted.notes:
        progress.note(str(note))
    return prepare(workspace, wanted, progress), replace(wanted, **given)


def _list(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.endpoints.batch import KIND, described
    from envbuild.cli.model import find_workspace

    for one in find_workspace(arguments.workspace).catalogue.records(KIND).values():
        print(json.dumps(one) if arguments.json else described(one))
    return 0

"""`envbuild model`: models in the workspace."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.cli.arguments import add_workspace
from envbuild.cli.model_asset import add_create, add_update
from envbuild.cli.model_package import add_package
from envbuild.cli.model_profile import add_profile

if TYPE_CHECKING:
    from envbuild.azureml.core.run import Run
    from envbuild.azureml.core.workspace import Workspace as AzureWorkspace
    from envbuild.workspace.models import RegisteredModel
    from envbuild.workspace.workspace import Workspace


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its verbs."""
    parser = commands.add_parser("model", help="register, list, download and delete models")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _add_register(verbs)
    listing = verbs.add_parser("list", help="the registered models")
    listing.add_argument("-n", "--name", default="", help="only those of this name")
    listing.add_argument("--tag", action="append", default=[], metavar="KEY[=VALUE]", help="only those with this tag")
    listing.add_argument("-l", "--latest", action="store_true", help="the latest version of each")
    listing.set_defaults(run=_list)
    show = verbs.add_parser("show", help="one model")
    show.add_argument("model", nargs="?", default="", metavar="NAME[:VERSION]", help="without a version: the latest")
    show.add_argument("-i", "--model-id", "-n", "--name", dest="named", default="", metavar="NAME[:VERSION]", help="the same, as Azure's command says it")  # fmt: skip
    show.set_defaults(run=_show)
    download = verbs.add_parser("download", help="write a model's files to a folder")
    download.add_argument(
        "-i", "--model-id", required=True, metavar="NAME[:VERSION]", help="without a version: the latest"
    )
    download.add_argument("-t", "--target-dir", required=True, type=Path, help="where it is written")
    download.add_argument("--overwrite", action="store_true", help="replace what is there")
    download.set_defaults(run=_download)
    delete = verbs.add_parser("delete", help="delete one version")
    delete.add_argument("-i", "--model-id", required=True, metavar="NAME:VERSION", help="which")
    delete.set_defaults(run=_delete)
    add_create(verbs)
    add_update(verbs)
    add_package(verbs)
    _add_deploy(verbs)
    add_profile(verbs)
    for one in verbs.choices.values():
        add_workspace(one)
        one.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    register = verbs.add_parser("register", help="keep a file or folder as the next version of a model")
    register.add_argument("-n", "--name", required=True, help="the model's name")
    register.add_argument(
        "-p", "--model-path", "--asset-path", required=True, type=Path, metavar="PATH", help="a file or folder"
    )
    register.add_argument("--run-id", default="", metavar="RUN", help="take PATH from the outputs of this run")
    register.add_argument(
        "--experiment-name", default="", metavar="NAME", help="the run's; the latest run of it where no id is given"
    )
    register.add_argument(
        "--model-framework", default="Custom", metavar="NAME", help="ScikitLearn, Onnx, TensorFlow, …"
    )
    register.add_argument(
        "--model-framework-version", default="", metavar="V", help="its version, as the package has it"
    )
    register.add_argument("-d", "--description", default="", help="a sentence for others")
    register.add_argument("--tag", action="append", default=[], metavar="KEY=VALUE", help="repeatable")
    register.add_argument(
        "--property", action="append", default=[], metavar="KEY=VALUE", help="repeatable; cannot be changed later"
    )
    needed = register.add_argument_group("what a service of it needs")
    needed.add_argument("--cpu-cores", "--cc", type=float, metavar="N", help="CPUs")
    needed.add_argument("--memory-gb", "--gb", type=float, metavar="GB", help="memory")
    needed.add_argument("--gpu-cores", "--gc", type=int, metavar="N", help="GPUs")
    samples = register.add_argument_group("samples")
    samples.add_argument("--sample-input-dataset-id", default="", metavar="NAME[:V]", help="a registered data set")
    samples.add_argument("--sample-output-dataset-id", default="", metavar="NAME[:V]", help="a registered data set")
    register.set_defaults(run=_register)


def _add_deploy(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from envbuild.cli.service import add_deployment

    deploy = verbs.add_parser("deploy", help="start a service that answers with models (see envbuild service)")
    deploy.add_argument("-n", "--name", default="", help="the service's (default: from the first model's)")
    deploy.add_argument("--overwrite", action="store_true", help="in the place of a service of that name")
    add_deployment(deploy)
    deploy.set_defaults(run=_deploy)


def _deploy(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.cli.service import deploy

    if not arguments.name and arguments.model:
        model = arguments.model[0].partition(":")[0].lower()
        arguments.name = f"{re.sub('[^a-z0-9]+', '-', model).strip('-')[:24]}-service"
    return deploy(Workspace(find_workspace(arguments.workspace)), arguments)


def find_workspace(folder: Path | None, *, create: bool = False) -> Workspace:
    """Return the workspace of `folder`, or the one found upwards from here, made here when `create` and there is none.

    Azure's command lines name the workspace; the name of the one found upwards is accepted in the place of a folder.

    Raises:
        WorkspaceError: there is none.
    """
    from envbuild.core.errors import WorkspaceError
    from envbuild.workspace.workspace import Workspace

    try:
        if folder is not None and not folder.is_dir() and (here := Workspace.find()).name == str(folder):
            return here
        return Workspace.find(folder)
    except WorkspaceError:
        if not create:
            raise
        return Workspace.create(folder or Path())


def pairs(texts: list[str]) -> dict[str, str]:
    """Return `KEY=VALUE` texts as a dictionary; a text without `=` has an empty value."""
    return {key: value for key, _, value in (text.partition("=") for text in texts)}


def _register(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.core.dataset import Dataset
    from envbuild.azureml.core.model import Model
    from envbuild.azureml.core.resource_configuration import ResourceConfiguration
    from envbuild.azureml.core.workspace import Workspace

    workspace = Workspace(find_workspace(arguments.workspace, create=True))
    needed = {"cpu": arguments.cpu_cores, "memory_in_gb": arguments.memory_gb, "gpu": arguments.gpu_cores}
    samples = {"input": arguments.sample_input_dataset_id, "output": arguments.sample_output_dataset_id}
    about: dict[str, Any] = {
        "tags": pairs(arguments.tag),
        "properties": pairs(arguments.property),
        "description": arguments.description,
        "model_framework": arguments.model_framework,
        "model_framework_version": arguments.model_framework_version,
        "resource_configuration": ResourceConfiguration(**needed) if any(needed.values()) else None,
        **{f"sample_{key}_dataset": Dataset.get_by_id(workspace, one) for key, one in samples.items() if one},
    }
    run = _run(workspace, arguments)
    if run is not None:
        model = run.register_model(arguments.name, arguments.model_path.as_posix(), **about)
    else:
        model = Model.register(workspace, arguments.model_path, arguments.name, **about)
    for name in model.triggered:
        print(f"note: trigger {name} was started; `envbuild trigger logs {name}` shows what it says", file=sys.stderr)
    print_models([model.stored], as_json=arguments.json)
    return 0


def _run(workspace: AzureWorkspace, arguments: argparse.Namespace) -> Run | None:
    """Return the run whose outputs hold the model, or None where the path is one of this machine."""
    from envbuild.azureml.core.experiment import Experiment
    from envbuild.azureml.core.run import Run
    from envbuild.core.errors import WorkspaceError

    if arguments.run_id:
        return Run.get(workspace, arguments.run_id)
    if not arguments.experiment_name:
        return None
    runs = Run.list(Experiment(workspace, arguments.experiment_name))
    if not runs:
        raise WorkspaceError(f"experiment {arguments.experiment_name} has no run")
    return runs[-1]


def _list(arguments: argparse.Namespace) -> int:
    from envbuild.workspace.models import list_models

    wanted = {text.partition("=")[0]: text.partition("=")[2] if "=" in text else None for text in arguments.tag}
    models = list_models(find_workspace(arguments.workspace), arguments.name, tags=wanted, latest=arguments.latest)
    print_models(models, as_json=arguments.json)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from envbuild.core.errors import WorkspaceError
    from envbuild.workspace.models import get_model

    name = arguments.model or arguments.named
    if not name:
        raise WorkspaceError("no model is named", hint="envbuild model show NAME")
    print_models([get_model(find_workspace(arguments.workspace), name)], as_json=arguments.json)
    return 0


def _download(arguments: argparse.Namespace) -> int:
    from envbuild.workspace.models import download_model, get_model

    workspace = find_workspace(arguments.workspace)
    model = get_model(workspace, arguments.model_id)
    top = download_model(workspace, model, arguments.target_dir, overwrite=arguments.overwrite)
    print(json.dumps({"id": model.id, "path": str(top)}) if arguments.json else top)
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    from envbuild.workspace.models import delete_model, get_model

    workspace = find_workspace(arguments.workspace)
    model = get_model(workspace, arguments.model_id)
    delete_model(workspace, model)
    print(json.dumps({"deleted": model.id}) if arguments.json else f"{model.id}: deleted")
    return 0


def print_models(models: list[RegisteredModel], *, as_json: bool) -> None:
    """Print models, each on a line."""
    for model in models:
        if as_json:
            print(
                json.dumps(
                    {
                        "id": model.id,
                        "name": model.name,
                        "version": model.version,
                        "framework": model.framework,
                        "frameworkVersion": model.framework_version,
                        "description": model.description,
                        "tags": dict(model.tags),
                        "properties": dict(model.properties),
                        "size": model.tree.size,
                        "createdTime": model.created,
                    }
                )
            )
        else:
            print(f"{model.id}  {model.framework}  {model.tree.size} bytes  {model.created}")

"""`envbuild model package`: v2's package YAML, as `az ml model package` takes it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def add_package(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `package`."""
    package = verbs.add_parser(
        "package",
        help="build the image that a v2 package YAML says: a model with its server, registered as an environment",
        description="A deployment whose environment is that one runs the image as it is. For a folder or an image without a workspace: envbuild package.",
    )
    package.add_argument("-n", "--name", required=True, metavar="NAME[:VERSION]", help="the model")
    package.add_argument("-v", "--version", default="", help="the model's version (default: the latest)")
    package.add_argument("-f", "--file", required=True, type=Path, metavar="package.yml", help="what `az ml model package -f` takes")  # fmt: skip
    package.add_argument("--engine", default="auto", help="what builds it (see envbuild image)")
    package.add_argument("-q", "--quiet", action="store_true", help="no progress on stderr")
    package.set_defaults(run=_package)


def _package(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.azureml.environments.environment_yaml import parse_yaml
    from envbuild.azureml.models.model import Model
    from envbuild.azureml.packaging.model_package import package_model
    from envbuild.azureml.packaging.package_yaml import read_package
    from envbuild.cli.model import find_workspace
    from envbuild.cli.progress import progress_for

    wanted = read_package(arguments.file)
    for note in wanted.notes:
        print(f"note: {note}", file=sys.stderr)
    workspace = Workspace(find_workspace(arguments.workspace))
    model = Model(workspace, id=":".join(filter(None, [arguments.name.removeprefix("azureml:"), arguments.version])))
    made = package_model(
        workspace, model, wanted, engine=arguments.engine, progress=progress_for(quiet=arguments.quiet)
    )
    image = parse_yaml(made.files[made.main], made.main)["image"]
    print(json.dumps({"environment": made.id, "image": image, "model": model.id}) if arguments.json else made.id)
    return 0

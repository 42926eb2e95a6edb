"""`envbuild package`: a model and its scoring script as a context or an image."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.cli.arguments import add_definition, add_quiet, add_workspace, definition_or_default
from envbuild.cli.assembling import subdirs
from envbuild.cli.image import add_build, make, print_plans

if TYPE_CHECKING:
    from envbuild.workspace.workspace import Workspace


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "package",
        help="package a model and its scoring script as a context or an image",
        description="The result answers on port 5001: GET /, POST /score, GET /swagger.json. Its folder is laid out as Azure's Model.package does.",
    )
    add_definition(parser)
    parser.add_argument(
        "-m",
        "--model",
        action="append",
        default=[],
        metavar="NAME[:V]|PATH",
        help="registered, or a file or folder; repeatable",
    )
    parser.add_argument(
        "--entry-script",
        type=Path,
        metavar="FILE",
        help="the script with init() and run(), relative to --source-directory if given",
    )
    parser.add_argument("--source-directory", type=Path, metavar="DIR", help="what the script needs beside it")
    parser.add_argument(
        "--framework", default="", help="serve the one model without a script: scikit-learn, onnx, tensorflow, mlflow"
    )
    add_workspace(parser)
    parser.add_argument("--plan", action="store_true", help="print the layers and their keys; build nothing")
    add_build(parser)
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Package, then write or build."""
    from envbuild import api
    from envbuild.app import Scoring
    from envbuild.cli.progress import progress_for

    progress = progress_for(quiet=arguments.quiet)
    path = definition_or_default(arguments.definition)
    script = arguments.entry_script
    workspace = _workspace(arguments.workspace)
    package = api.package(
        path,
        models=[api.served_model(model, workspace) for model in arguments.model],
        scoring=Scoring(entry_script=script, source_directory=arguments.source_directory)
        if script is not None
        else None,
        framework=arguments.framework,
        environment=arguments.environment,
        platform=next(iter(subdirs(arguments.platform)), ""),
        locked=arguments.locked,
        allow_unpinned_base=arguments.allow_unpinned_base or arguments.plan,
        code=not arguments.no_code,
        progress=progress,
    )
    if arguments.plan:
        print_plans(package.plan, arguments, path)
        return 0
    return make(package.plan, arguments, path, progress=progress)


def _workspace(folder: Path | None) -> Workspace | None:
    from envbuild.core.errors import WorkspaceError
    from envbuild.workspace.workspace import Workspace

    try:
        return Workspace.find(folder)
    except WorkspaceError:
        if folder is not None:
            raise
        return None

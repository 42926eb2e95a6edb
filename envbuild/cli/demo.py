"""`envbuild demo`: the whole road on a real environment and a real model."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.cli.arguments import add_quiet

if TYPE_CHECKING:
    from envbuild.demo import Demo


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "demo",
        help="lock, train, package and serve a small real model, here",
        description="Writes a project, locks scikit-learn, numpy and pandas, trains a model in that environment, packages it as a "
        "Dockerfile and context, serves it (in a container where an engine and the base image are in reach, else as a process), "
        "and asks it about two flowers.",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("envbuild-demo"), help="where to write it (default: envbuild-demo)"
    )
    parser.add_argument("--base", default="", metavar="IMAGE", help="a base image that has this Python")
    parser.add_argument("--engine", default="auto", help="auto, docker, podman, buildah or local")
    parser.add_argument("--overwrite", action="store_true", help="replace the folder when it exists")
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and print what it made."""
    from envbuild.cli.progress import progress_for
    from envbuild.demo import demo

    made = demo(
        arguments.folder,
        base=arguments.base,
        engine=arguments.engine,
        overwrite=arguments.overwrite,
        progress=progress_for(quiet=arguments.quiet),
    )
    print(json.dumps(_summary(made)) if arguments.json else _words(made))
    return 0


def _summary(made: Demo) -> dict[str, object]:
    return {
        "folder": str(made.folder),
        "lock": str(made.lock),
        "image_key": made.image_key,
        "context": str(made.context),
        "served_by": made.served_by,
        "answer": made.answer,
        "seconds": made.seconds,
    }


def _words(made: Demo) -> str:
    lines = [
        f"lock       {made.lock}",
        f"image key  {made.image_key}",
        f"context    {made.context}  (docker build {made.context})",
        f"served by  {made.served_by}",
        f"answer     {json.dumps(made.answer)}",
        "",
        *(f"{seconds:8.1f} s  {title}" for title, seconds in made.seconds.items()),
    ]
    return "\n".join(lines)

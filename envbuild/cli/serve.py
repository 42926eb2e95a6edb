"""`envbuild serve`: the scoring server, here, with this Python: for development."""

from __future__ import annotations

import argparse


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command; its options are the server's own."""
    parser = commands.add_parser(
        "serve",
        help="serve a scoring script with this Python, for development",
        description="The options are those of the server inside the image; `envbuild serve --help` lists them, "
        "`--reload` starts again when a file changes.",
        add_help=False,
        # no option is ours: all go to the server as they are
        prefix_chars="\0",
    )
    parser.add_argument("options", nargs="*", help="see the server's own help")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the server until it is stopped."""
    from envbuild.serving.command import main

    return main(arguments.options)

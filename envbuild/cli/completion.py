"""`envbuild completion`: what a shell completes, generated from the parser."""

from __future__ import annotations

import argparse


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "completion",
        help="print a shell's completion",
        description='bash: eval "$(envbuild completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc, behind compinit; '
        "fish: envbuild completion fish > ~/.config/fish/completions/envbuild.fish",
    )
    parser.add_argument("shell", choices=["bash", "zsh", "fish"], help="whose completion")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    from envbuild.cli.main import parser
    from envbuild.completion import completion

    print(completion(parser(), arguments.shell), end="")
    return 0

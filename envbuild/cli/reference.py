"""The reference of commands as Markdown, from the parsers: `python -m envbuild.cli.reference > docs/reference/commands.md`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from envbuild.cli.examples import EXAMPLES
from envbuild.cli.main import parser
from envbuild.completion import visible_commands


def reference() -> str:
    """Return the whole page."""
    top = parser()
    lines = [
        "# Commands",
        "",
        "Made from the command line's own parsers by `python -m envbuild.cli.reference`; a test holds it equal.",
        "",
        f"{top.description}",
        "",
        f"{top.epilog}",
        "",
        *_commands(top, 2),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _commands(top: argparse.ArgumentParser, depth: int) -> Iterator[str]:
    for one, explanation in visible_commands(top):
        yield from (f"{'#' * depth} `{one.prog}`", "")
        yield from (_cell(one.description or explanation or ""), "")
        rows = list(_rows(one))
        if rows:
            yield from ("| argument | meaning |", "| --- | --- |", *rows, "")
        if one.prog in EXAMPLES:
            yield from ("```sh", *EXAMPLES[one.prog], "```", "")
        yield from _commands(one, min(depth + 1, 4))


def _rows(one: argparse.ArgumentParser) -> Iterator[str]:
    for action in one._actions:  # noqa: SLF001 - argparse has no other way to be read
        if isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)):  # noqa: SLF001
            continue
        yield f"| {_name(action)} | {_cell(_meaning(action))} |"


def _name(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else ""
    choices = "\\|".join(map(str, action.choices)) if action.choices else ""
    shown = value or choices or action.dest.upper()
    if not action.option_strings:
        return f"`{shown}`" if action.nargs not in ("*", "+", "?") else f"`[{shown}]`"
    names = ", ".join(f"`{one}`" for one in action.option_strings)
    return names if action.nargs == 0 else f"{names} `{shown}`"


def _meaning(action: argparse.Action) -> str:
    return (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


if __name__ == "__main__":
    print(reference(), end="")

"""The parser's own manner: what an unknown word was meant to be, commands in groups, and an example or two in each help."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NoReturn

from envbuild.cli.examples import EXAMPLES

_FEW = 15
_CHOICE = re.compile(r"invalid choice: '(?P<word>[^']*)'")


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose commands are parsers of the same class."""

    groups: Mapping[str, Sequence[str]] = MappingProxyType({})
    """How the help lists the commands: title → their names; empty: one list, as argparse has it."""

    @property
    def commands(self) -> argparse._SubParsersAction[argparse.ArgumentParser] | None:
        """The commands, where the parser has any."""
        return next((one for one in self._actions if isinstance(one, argparse._SubParsersAction)), None)  # noqa: SLF001

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        found, left = super().parse_known_args(args, namespace)
        if left:
            # here, and not at the top: the usage that is shown is that of the command
            self.error(f"unrecognized arguments: {' '.join(left)}{self._meant(left)}")
        return found, left

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, what was probably meant, and where help is; exit 2."""
        if message.startswith("the following arguments are required") and self.commands is not None:
            self.print_help(sys.stderr)
            self.exit(2)
        unknown = _CHOICE.search(message)
        if unknown and self.commands is not None and unknown["word"] not in self.commands.choices:
            name = unknown["word"]
            message = f"there is no command {name!r}{nearest(name, self.commands.choices) or self._known()}"
        else:
            self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}\ntry `{self.prog} --help`\n")

    def _known(self) -> str:
        names = [one.dest for one in self.commands._choices_actions] if self.commands else []  # noqa: SLF001
        return f"; there are {', '.join(names)}" if len(names) <= _FEW else ""

    def _meant(self, words: Iterable[str]) -> str:
        options = [name for one in self._actions for name in one.option_strings if name.startswith("--")]
        found = (nearest(one.partition("=")[0], options) for one in words if one.startswith("--"))
        return next(filter(None, found), "")

    def format_help(self) -> str:
        """Return the help, with the commands in their groups and the examples at the end."""
        text = self._grouped() if self.groups else super().format_help()
        examples = EXAMPLES.get(self.prog, ())
        return text + ("\nexamples:\n" + "".join(f"  {one}\n" for one in examples) if examples else "")

    def _grouped(self) -> str:
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        for title, actions in self._sections():
            formatter.start_section(title)
            formatter.add_arguments(actions)
            formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def _sections(self) -> Iterator[tuple[str, Sequence[argparse.Action]]]:
        said = {one.dest: one for one in (self.commands._choices_actions if self.commands else ())}  # noqa: SLF001
        for title, names in self.groups.items():
            yield title, [said.pop(name) for name in names if name in said]
        if said:
            yield "other commands", list(said.values())
        yield "options", [one for one in self._actions if one is not self.commands]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint with the word of `known` that `word` was probably meant to be, empty where none is near."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""

"""Completion for bash, zsh and fish from an `argparse` parser: commands, options, and the values that an option accepts."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One option or command: its spellings, what is said of it, whether a value follows, and which values there are."""

    names: tuple[str, ...]
    explanation: str
    takes_value: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What may follow the commands `path`: commands, options, and whether files are completed."""

    path: tuple[str, ...]
    commands: tuple[Word, ...]
    options: tuple[Word, ...]
    values: tuple[str, ...]


def visible_commands(parser: argparse.ArgumentParser) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """Yield the parsers of the commands of `parser` with what is said of each; aliases are left out."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to be read
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            # an alias is in `choices` but has no help of its own
            for one in action._choices_actions:  # noqa: SLF001
                yield action.choices[one.dest], one.help or ""


def levels(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[Level]:
    """Yield the parser's own level, then those of its commands, depth first."""
    inner = {one.prog.split()[-1]: (one, said) for one, said in visible_commands(parser)}
    options = [_option(one) for one in parser._actions if one.option_strings]  # noqa: SLF001
    values = [
        str(choice)
        for one in parser._actions  # noqa: SLF001
        if not one.option_strings and not isinstance(one, argparse._SubParsersAction)  # noqa: SLF001
        for choice in one.choices or ()
    ]
    commands = tuple(Word(names=(name,), explanation=said) for name, (_, said) in inner.items())
    yield Level(path=path, commands=commands, options=tuple(options), values=tuple(values))
    for name, (one, _) in inner.items():
        yield from levels(one, (*path, name))


def _option(action: argparse.Action) -> Word:
    return Word(
        names=tuple(action.option_strings),
        explanation=(action.help or "").replace("\n", " "),
        takes_value=action.nargs != 0,
        choices=tuple(map(str, action.choices or ())),
    )


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion of `parser` for `shell` (bash, zsh or fish)."""
    found = list(levels(parser))
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](parser.prog, found)


_BASH = """\
_{name}_complete() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}" command="" word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$command $word" in
{steps}
        esac
    done
    case "$command $previous" in
{values}
    esac
    case "$command" in
{words}
    esac
}}
complete -o default -F _{name}_complete {prog}
"""


def _bash(prog: str, found: list[Level]) -> str:
    steps = [
        f"            {_pattern(one.path)}) command={shlex.quote(' '.join(one.path))} ;;" for one in found if one.path
    ]
    values = [
        f"        {_pattern((*one.path, name))}) {_reply(option.choices)}; return ;;"
        for one in found
        for option in one.options
        if option.choices
        for name in option.names
    ]
    words = [f"        {shlex.quote(' '.join(one.path))}) {_reply(_words(one))} ;;" for one in found]
    return _BASH.format(
        name=prog.replace("-", "_"),
        prog=prog,
        steps="\n".join(steps),
        values="\n".join(values) or "        *) ;;",
        words="\n".join(words),
    )


_ZSH = """\
#compdef {prog}
_{name}() {{
    local command="" word
    local -a some options
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        case "$command $word" in
{steps}
        esac
    done
    case "$command ${{words[CURRENT-1]}}" in
{values}
    esac
    case "$command" in
{words}
    esac
    (( $#some )) && _describe -t commands command some
    if [[ $PREFIX == -* ]]; then _describe -o -t options option options; else _files; fi
}}
# from a folder of $fpath this file is the function's body, else it is evaluated
if [[ ${{funcstack[1]}} == _{name} ]]; then _{name} "$@"; else compdef _{name} {prog}; fi
"""


def _zsh(prog: str, found: list[Level]) -> str:
    steps = [
        f"            {_pattern(one.path)}) command={shlex.quote(' '.join(one.path))} ;;" for one in found if one.path
    ]
    values = [
        f"        {_pattern((*one.path, name))}) {_zsh_values(option)}; return ;;"
        for one in found
        for option in one.options
        if option.takes_value
        for name in option.names
    ]
    words = [
        f"        {shlex.quote(' '.join(one.path))}) some=({_zsh_words((*one.commands, *_plain(one.values)))}); "
        f"options=({_zsh_words(one.options)}) ;;"
        for one in found
    ]
    return _ZSH.format(
        name=prog.replace("-", "_"), prog=prog, steps="\n".join(steps), values="\n".join(values), words="\n".join(words)
    )


def _zsh_values(option: Word) -> str:
    if not option.choices:
        return "_files"
    return f"some=({' '.join(map(shlex.quote, option.choices))}); _describe -t values value some"


def _zsh_words(words: tuple[Word, ...]) -> str:
    return " ".join(
        shlex.quote(f"{name}:{one.explanation}" if one.explanation else name) for one in words for name in one.names
    )


def _plain(values: tuple[str, ...]) -> tuple[Word, ...]:
    return tuple(Word(names=(one,), explanation="") for one in values)


def _pattern(path: tuple[str, ...]) -> str:
    # at the top `command` is empty, and a blank stands before the word
    text = " ".join(path)
    return shlex.quote(text if len(path) > 1 else f" {text}")


def _words(level: Level) -> tuple[str, ...]:
    return (
        *(one.names[0] for one in level.commands),
        *level.values,
        *(name for one in level.options for name in one.names),
    )


def _reply(words: tuple[str, ...]) -> str:
    return f'COMPREPLY=($(compgen -W {shlex.quote(" ".join(words))} -- "$current"))'


def _fish(prog: str, found: list[Level]) -> str:
    lines = [f"complete -c {prog} -e"]
    for level in found:
        condition = shlex.quote(_condition(level))
        for command in level.commands:
            explanation = shlex.quote(command.explanation)
            lines.append(f"complete -c {prog} -n {condition} -f -a {shlex.quote(command.names[0])} -d {explanation}")
        if level.values:
            lines.append(f"complete -c {prog} -n {condition} -f -a {shlex.quote(' '.join(level.values))}")
        lines += [f"complete -c {prog} -n {condition} {_fish_option(option)}" for option in level.options]
    return "\n".join(lines) + "\n"


def _condition(level: Level) -> str:
    inner = [command.names[0] for command in level.commands]
    seen = [f"__fish_seen_subcommand_from {one}" for one in level.path]
    if inner:
        seen.append(f"not __fish_seen_subcommand_from {' '.join(inner)}")
    return "; and ".join(seen) or "true"


def _fish_option(option: Word) -> str:
    parts = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    if option.takes_value:
        parts.append(f"-x -a {shlex.quote(' '.join(option.choices))}" if option.choices else "-r")
    return " ".join([*parts, f"-d {shlex.quote(option.explanation)}"])

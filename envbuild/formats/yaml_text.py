"""YAML: scalars that every YAML 1.1 and 1.2 reader takes for the same text, and a reader that takes every scalar for text."""

from __future__ import annotations

import functools
import re
from typing import Any

from envbuild.core.errors import LockError, Problem
from envbuild.formats.fields import Notes, Path, Table, as_table

_PLAIN = re.compile(r"[A-Za-z0-9_/](?:[A-Za-z0-9_./+@=!<>~,;()*%&-]|:(?=[A-Za-z0-9_/]))*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_NUMBER = re.compile(
    r"[0-9][0-9_]*(?::[0-9_]+)*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9]+)?|0[bB][01_]+|0[xX][0-9A-Fa-f_]+|0[oO][0-7_]+"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*"
)
_NULL = "tag:yaml.org,2002:null"
_MOST_BRACKETS = 1000
_LONG_INDENT = re.compile(r"^[ \t?-]{300}", re.MULTILINE)
_DEEPEST = 100
_LIMIT = 64 * 1024 * 1024


def scalar(text: str) -> str:
    """Return `text` as a YAML scalar on one line: plain where no reader can take it for something else."""
    if _PLAIN.fullmatch(text) and not _NUMBER.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    if character in '"\\':
        return "\\" + character
    if 0x20 <= code < 0x7F:
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def load(text: str, file: str) -> Table:
    """Return the mapping that `text` is; all its scalars but null are texts, so `1.10` stays `1.10`.

    Aliases are shared and never expanded, merge keys mean nothing and no tag makes an object: a hostile file costs what
    it weighs.

    Raises:
        LockError: it is no YAML, no mapping, or longer than 64 MiB.
    """
    import yaml

    if len(text) > _LIMIT:
        raise LockError(Problem(message="is longer than 64 MiB, which no lock file is", file=file))
    try:
        _check_depth(text)
        value = yaml.load(text, Loader=_loader())  # noqa: S506 (it makes texts, nulls, lists and mappings only)
    except yaml.YAMLError as error:
        raise LockError(_syntax(error, file)) from error
    except (RecursionError, TypeError, ValueError) as error:
        raise LockError(Problem(message="is nested too deeply or has a mapping as a key", file=file)) from error
    notes = Notes(file=file, locate=lambda path: line_of(text, path))
    table = as_table(value, (), notes)
    notes.check()
    return table


def _check_depth(text: str) -> None:
    """Refuse deep nesting before it is composed: the C composer recurses without a limit, and would crash the process."""
    import yaml

    if text.count("[") + text.count("{") < _MOST_BRACKETS and not _LONG_INDENT.search(text):
        return
    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise RecursionError


@functools.cache
def _loader() -> type[Any]:
    import yaml

    base: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

    class TextLoader(base):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[object, object]:
            mapping: dict[object, object] = super().construct_mapping(node, deep=deep)
            if len(mapping) != len(node.value):
                raise yaml.MarkedYAMLError(problem="a key of this mapping is there twice", problem_mark=node.start_mark)
            return mapping

    TextLoader.add_implicit_resolver(_NULL, re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
    TextLoader.add_constructor(_NULL, lambda *_: None)
    return TextLoader


def _syntax(error: Exception, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    return Problem(message=f"is not YAML: {reason}", file=file, line=mark.line + 1 if mark else None)


def line_of(text: str, path: Path) -> int | None:
    """Return the line, counted from 1, of what stands at `path`, or of the nearest thing around it."""
    import yaml

    node = yaml.compose(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    line = None
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if getattr(key, "value", None) == part]
            if not found:
                break
            line, node = found[-1][0].start_mark.line + 1, found[-1][1]
        elif isinstance(node, yaml.SequenceNode) and str(part).isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
        else:
            break
    return line

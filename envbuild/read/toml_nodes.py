"""TOML and JSON to nodes; numbers keep how they were written."""

from __future__ import annotations

import json
import re
import sys

from envbuild.core.names import has_endless_key
from envbuild.read.findings import Findings, fatal
from envbuild.read.nodes import Node, Number, from_data
from envbuild.read.template import find_template, template_error

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def parse_toml(text: str, file: str) -> Node:
    """Return the tree of the TOML document `text`.

    Raises:
        DefinitionError: it is not TOML; the reader's reason, which names the line, is quoted.
    """
    plain = text.replace("\r\n", "\n")
    if has_endless_key(plain):
        raise fatal("is not TOML that anybody writes: a key has hundreds of parts", file=file)
    try:
        try:
            return from_data(tomllib.loads(plain, parse_float=Number), file, lines=_lines(plain))
        except tomllib.TOMLDecodeError:
            # TOML 1.1, which pixi reads, lets inline tables span lines; this reader may not know it yet
            return from_data(tomllib.loads(_one_line_tables(plain), parse_float=Number), file, lines=_lines(plain))
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        if (found := find_template(text)) is not None:
            raise template_error(found[1], file, found[0]) from error
        raise fatal(f"is not TOML: {error}", file=file) from error


_TEXT = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"([^"\\\n]*)"|"(?:\\.|[^"\\\n])*"|\'([^\'\n]*)\'|\#[^\n]*', re.DOTALL
)


def _lines(text: str) -> dict[str, int]:
    """Return the line of each text that stands once in a document and has no escapes: the reader tells no places."""
    found: dict[str, int] = {}
    twice: set[str] = set()
    line, position = 1, 0
    for match in _TEXT.finditer(text):
        line += text.count("\n", position, match.start())
        position = match.start()
        value = match[1] if match[1] is not None else match[2]
        if value:
            twice |= {value} & found.keys()
            found[value] = line
    return {value: line for value, line in found.items() if value not in twice}


def parse_json(text: str, file: str, findings: Findings) -> Node:
    """Return the tree of the JSON document `text`; a key that stands twice is a problem.

    Raises:
        DefinitionError: it is not JSON; the line is named.
    """

    def pairs(entries: list[tuple[str, object]]) -> dict[str, object]:
        known: dict[str, object] = {}
        for key, value in entries:
            if key in known:
                findings.refuse(
                    from_data(None, file, key).origin, "stands a second time in the same object", "write it once"
                )
            known[key] = value
        return known

    try:
        return from_data(json.loads(text, parse_float=Number, object_pairs_hook=pairs), file)
    except json.JSONDecodeError as error:
        raise fatal(f"is not JSON: {error.msg}", file=file, line=error.lineno) from error
    except (RecursionError, ValueError) as error:
        raise fatal(f"is not JSON: {error}", file=file) from error


_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|\#[^\n]*|[{}\n]|,(?=(?:\s|\#[^\n]*\n)*\})',
    re.DOTALL,
)


def _one_line_tables(text: str) -> str:
    """Return `text` with the line ends, comments and last commas inside inline tables removed."""
    depth = 0

    def replaced(found: re.Match[str]) -> str:
        nonlocal depth
        part = found[0]
        depth += {"{": 1, "}": -1}.get(part, 0)
        return " " if depth > 0 and (part in "\n," or part.startswith("#")) else part

    return _TOKEN.sub(replaced, text)

"""TOML 1.0: a small deterministic writer, and the standard reader with errors that name the line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping

from envbuild.core.errors import LockError, Problem
from envbuild.core.names import has_endless_key
from envbuild.formats.fields import Notes, Table

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)|\s*\(at end of document\)")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")


def string(text: str) -> str:
    """Return `text` as a basic string on one line."""
    return '"' + "".join(_character(one) for one in text) + '"' if not _simple(text) else f'"{text}"'


def _simple(text: str) -> bool:
    return text.isprintable() and '"' not in text and "\\" not in text


def _character(one: str) -> str:
    code = ord(one)
    if one in _ESCAPES:
        return _ESCAPES[one]
    if one.isprintable():
        return one
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def key(text: str) -> str:
    """Return `text` as a bare key where it can be one, else as a quoted key."""
    return text if _BARE.fullmatch(text) else string(text)


class Moment(str):
    """A text that is written as an offset date-time when it has that form in UTC."""

    __slots__ = ()


def value(one: object) -> str:
    """Return `one` (text, whole number, boolean, list, or mapping as inline table) as a TOML value on one line."""
    if isinstance(one, bool):
        return "true" if one else "false"
    if isinstance(one, Moment) and _TIME.fullmatch(one):
        return str(one)
    if isinstance(one, str):
        return string(one)
    if isinstance(one, int):
        return str(one)
    if isinstance(one, Mapping):
        return "{ " + ", ".join(f"{key(name)} = {value(part)}" for name, part in one.items()) + " }" if one else "{}"
    if isinstance(one, Iterable):
        return "[" + ", ".join(map(value, one)) + "]"
    raise TypeError(type(one).__name__)


def entry(name: str, one: object) -> Iterable[str]:
    """Yield the lines of `name = …`; a list of more than one item stands one item to a line, for small diffs."""
    if isinstance(one, (list, tuple)) and len(one) > 1:
        yield f"{key(name)} = ["
        yield from (f"    {value(item)}," for item in one)
        yield "]"
    else:
        yield f"{key(name)} = {value(one)}"


def load(text: str, file: str) -> Table:
    """Return the document's root table.

    Raises:
        LockError: `text` is not TOML; the line is named.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        if has_endless_key(text):
            raise LockError(Problem(message="is not TOML that any tool writes: a key has hundreds of parts", file=file))
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _LINE.search(str(error))
        line = int(found[1]) if found and found[1] else None
        message = _LINE.sub("", str(error))
        raise LockError(Problem(message=f"is not TOML: {message}", file=file, line=line)) from error
    except (RecursionError, ValueError) as error:
        raise LockError(Problem(message="is nested too deeply, or a number in it is too long", file=file)) from error
    return Table(data, (), Notes(file=file))

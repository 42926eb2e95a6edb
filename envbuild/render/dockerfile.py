"""The text of a Dockerfile: quoting values so that none can become an instruction, and finding where each one starts. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator

from envbuild.core.errors import PlanError
from envbuild.core.names import is_one_line

_CONTINUED = re.compile(r"\\[ \t]*$")
_HEREDOC = re.compile(r"(?:^|\s)\d*<<(-?)([\"']?)([A-Za-z_][A-Za-z0-9_]*)\2")


def word(value: str) -> str:
    """Return `value` as one word of an instruction that Docker expands (`ENV`, `LABEL`): in double quotes, `$` escaped.

    Raises:
        PlanError: `value` holds a line break or another control character, which no such word can hold.
    """
    escaped = _one_line(value).replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def shell_word(value: str) -> str:
    """Return `value` as one word of a POSIX shell.

    Raises:
        PlanError: `value` holds a line break or another control character.
    """
    quoted = shlex.quote(_one_line(value))
    # as the first word of a RUN it would be Docker's flag
    return f"'{quoted}'" if quoted.startswith("-") else quoted


def json_array(values: Iterable[str]) -> str:
    """Return the exec form of `values`; Docker expands nothing in it for `CMD` and `RUN`."""
    return json.dumps([_one_line(value) for value in values])


def _one_line(value: str) -> str:
    if not is_one_line(value):
        raise PlanError(f"{value!r} holds a line break or a control character, which a Dockerfile's value cannot hold")
    return value


def instruction_starts(lines: list[str]) -> Iterator[int]:
    """Yield the numbers of the lines where an instruction starts, past continuations, comments and here-documents."""
    continued = False
    ends: list[str] = []
    for number, line in enumerate(lines):
        stripped = line.strip()
        if ends:
            if stripped == ends[0]:
                ends.pop(0)
            continue
        if stripped.startswith("#") or (not stripped and continued):
            continue
        if stripped and not continued:
            yield number
        continued = _CONTINUED.search(line) is not None
        if re.match(r"(?i)\s*(RUN|COPY|ADD)\b", line):
            ends = [found[3] for found in _HEREDOC.finditer(line)]


def joined(lines: list[str]) -> str:
    """Return one instruction's lines as one: comments and empty lines left out, continued lines joined by one space."""
    parts = [line for line in lines if line.strip() and not line.strip().startswith("#")]
    return " ".join(_CONTINUED.sub("", part).strip() for part in parts)


def instructions(text: str) -> Iterator[tuple[int, str]]:
    """Yield each instruction of `text`, joined, with the number (from 1) of its first line."""
    lines = text.split("\n")
    starts = list(instruction_starts(lines))
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=False):
        yield start + 1, joined(lines[start:end])

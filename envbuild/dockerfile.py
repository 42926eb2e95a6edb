"""The text of a Dockerfile: quoting values so that none can become an instruction, and reading a user's own. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from envbuild.core.errors import PlanError, Problem
from envbuild.core.names import is_one_line

_DIRECTIVE = re.compile(r"#\s*(syntax|escape|check)\s*=\s*(.*?)\s*", re.IGNORECASE)
_FROM = re.compile(r"FROM((?:\s+--\S+)*)\s+(\S+)(?:\s+AS\s+(\S+))?\s*", re.IGNORECASE)
_CONTINUED = re.compile(r"\\[ \t]*$")
_HEREDOC = re.compile(r"(?:^|\s)\d*<<(-?)([\"']?)([A-Za-z_][A-Za-z0-9_]*)\2")

OURS = "envbuild-"
"""How the name of each stage of ours starts."""


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
    return shlex.quote(_one_line(value))


def json_array(values: Iterable[str]) -> str:
    """Return the exec form of `values`; Docker expands nothing in it for `CMD` and `RUN`."""
    return json.dumps([_one_line(value) for value in values])


def _one_line(value: str) -> str:
    if not is_one_line(value):
        raise PlanError(f"{value!r} holds a line break or a control character, which a Dockerfile's value cannot hold")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDockerfile:
    """A user's Dockerfile made ready to stand before our stages: its text, its last stage's name, its `# syntax=`."""

    text: str
    last_stage: str
    syntax: str = ""


def prepare(text: str, pinned: dict[str, str], default_stage: str) -> OwnDockerfile:
    """Return `text` with each `FROM image` that `pinned` knows replaced by its digest form, and its last stage named.

    Raises:
        PlanError: it has no FROM, or an `# escape=` directive, which would govern our stages too.
    """
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    syntax, lines = _directives(lines)
    starts = [number for number in _instruction_starts(lines) if _FROM.fullmatch(lines[number].strip())]
    if not starts:
        raise PlanError("the base Dockerfile has no FROM instruction")
    last_stage = default_stage
    for number in starts:
        line, name = _rewritten(lines[number].strip(), pinned, default_stage if number == starts[-1] else "")
        lines[number] = line
        last_stage = name
    return OwnDockerfile(text="\n".join(lines), last_stage=last_stage, syntax=syntax)


def _directives(lines: list[str]) -> tuple[str, list[str]]:
    syntax = ""
    count = 0
    for count, line in enumerate(lines):  # noqa: B007
        found = _DIRECTIVE.fullmatch(line.strip())
        if found is None:
            break
        if found[1].lower() == "escape" and found[2] != "\\":
            raise PlanError(
                Problem(message="the base Dockerfile has an `# escape=` directive", hint="write it with the usual \\")
            )
        if found[1].lower() == "syntax":
            syntax = found[2]
    return syntax, lines[count:]


def _rewritten(line: str, pinned: dict[str, str], name_if_none: str) -> tuple[str, str]:
    found = _FROM.fullmatch(line)
    if found is None:
        raise PlanError(f"the base Dockerfile's {line!r} is not a FROM instruction")
    image = pinned.get(found[2], found[2])
    name = found[3] or name_if_none
    if (found[3] or "").lower().startswith(OURS):
        raise PlanError(f"the base Dockerfile's stage {found[3]} has a name that starts with {OURS}, as ours do")
    return f"FROM{found[1]} {image}{f' AS {name}' if name else ''}", name


def _instruction_starts(lines: list[str]) -> Iterator[int]:
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


def instructions(text: str) -> Iterator[tuple[int, str]]:
    """Yield each instruction of `text` with the number (from 1) of its first line; continued lines joined by one space."""
    lines = text.split("\n")
    starts = list(_instruction_starts(lines))
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        parts = [line for line in lines[start:end] if line.strip() and not line.strip().startswith("#")]
        yield start + 1, " ".join(_CONTINUED.sub("", part).strip() for part in parts)

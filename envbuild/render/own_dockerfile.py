"""A user's own Dockerfile made ready to stand before our stages: pinned, named, and looking for its files where they lie. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from envbuild.core.errors import PlanError, Problem
from envbuild.render.dockerfile import instruction_starts, joined

OURS = "envbuild-"
"""How the name of each stage of ours starts."""

_DIRECTIVE = re.compile(r"#\s*(syntax|escape|check)\s*=\s*(.*?)\s*", re.IGNORECASE)
_FROM = re.compile(r"FROM((?:\s+--\S+)*)\s+(\S+)(?:\s+AS\s+(\S+))?\s*", re.IGNORECASE)
_COPY = re.compile(r"(COPY|ADD)((?:\s+--\S+)*)\s+(.*)", re.IGNORECASE | re.DOTALL)
_MOUNT = re.compile(r"--mount=(\S+)")
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|<<", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDockerfile:
    """A user's Dockerfile made ready to stand before our stages: its text, its last stage's name, its `# syntax=`."""

    text: str
    last_stage: str
    syntax: str = ""


def prepare(text: str, pinned: dict[str, str], default_stage: str, *, folder: str = "") -> OwnDockerfile:
    """Return `text` with each `FROM image` that `pinned` knows replaced by its digest form, and its last stage named.

    With `folder`, what it copies from its build context is looked for there.

    Raises:
        PlanError: it has no FROM, or an `# escape=` directive, which would govern our stages too.
    """
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    syntax, lines = _directives(lines)
    starts = [number for number in instruction_starts(lines) if _FROM.fullmatch(lines[number].strip())]
    if not starts:
        raise PlanError("the base Dockerfile has no FROM instruction")
    if folder:
        lines = list(_moved(lines, folder))
        starts = [number for number in instruction_starts(lines) if _FROM.fullmatch(lines[number].strip())]
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


def _moved(lines: list[str], folder: str) -> Iterator[str]:
    """Yield `lines` with the sources of COPY, ADD and bind mounts below `folder` of the build context."""
    starts = list(instruction_starts(lines))
    yield from lines[: starts[0]]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        part = lines[start:end]
        found = _COPY.fullmatch(joined(part))
        if found is not None and "<<" not in found[3]:
            yield f"{found[1]}{found[2]} {_moved_sources(found[2], found[3], folder)}"
        elif part[0].strip().upper().startswith("RUN"):
            yield from (_MOUNT.sub(lambda one: f"--mount={_moved_mount(one[1], folder)}", line) for line in part)
        else:
            yield from part


def _moved_sources(flags: str, words: str, folder: str) -> str:
    if "--from=" in flags.lower():
        return words
    if (listed := _exec_form(words)) is not None:
        *sources, target = listed
        return json.dumps([*(_below(one, folder) for one in sources), target])
    *sources, target = words.split()
    return " ".join([*(_below(one, folder) for one in sources), target])


def _exec_form(words: str) -> list[str] | None:
    """Return the words of the JSON form; what is no list of texts is the shell form to Docker, too."""
    try:
        found = json.loads(words)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) and found and all(isinstance(one, str) for one in found) else None


def _below(source: str, folder: str) -> str:
    return source if _REMOTE.match(source) else f"{folder}/{source.lstrip('/')}"


def _moved_mount(options: str, folder: str) -> str:
    pairs = [one.partition("=") for one in options.split(",")]
    values = {name: value for name, _, value in pairs}
    if values.get("type", "bind") != "bind" or "from" in values:
        return options
    source = values.get("source", values.get("src", ""))
    kept = [f"{name}{equals}{value}" for name, equals, value in pairs if name not in ("source", "src")]
    return ",".join([*kept, f"source={folder}/{source.lstrip('/')}".rstrip("/")])

"""Conflicts, told in the lines that a person wrote; the solver's own explanation comes below them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from envbuild.core.definition import CondaSpec, PipRequirement
from envbuild.core.errors import Problem

LINES = 30
"""How much of the solver's own explanation is shown."""

_PREFIX = "Cannot solve the request because of: "


def expanded(spec: CondaSpec) -> str:
    """Return the text of `spec` as the solver gets it: `$VARIABLE` in a channel's URL replaced."""
    return os.path.expandvars(spec.text) if "://" in spec.text else spec.text


def written(items: Iterable[CondaSpec | PipRequirement]) -> list[str]:
    """Return one line for each of `items`: where it was written, and its text."""
    texts = [(one, getattr(one, "written", "") or one.text) for one in items]
    return [f"{one.origin}: {text}" if one.origin.file else text for one, text in texts]


def indented(text: str, prefix: str = "    ") -> str:
    """Return `text` with every line indented."""
    return "\n".join(f"{prefix}{line}" for line in text.strip("\n").splitlines())


def conda_problems(platform: str, specs: Sequence[CondaSpec], answer: Mapping[str, Any]) -> list[Problem]:
    """Return what the solver's process reports in `answer` for `platform`: every spec that nothing fits, else one problem."""
    if answer["error"] == "channel":
        return [_channel_problem(str(answer["text"]))]
    if answer["error"] != "conflict":
        return [Problem(message=f"the conda solve for {platform} failed:\n{indented(answer['text'])}")]
    unfit = [one for one in answer["names"] if not one["fitting"]]
    missing = [_no_candidate(platform, [spec for spec in specs if spec.name == one["name"]], one) for one in unfit]
    return missing or [_contradiction(platform, specs, answer)]


def one_a_channel(problems: Sequence[Problem]) -> list[Problem]:
    """Return the first of `problems` for each channel: its platforms fail alike, and some only refer to another's failure."""
    found: dict[str, Problem] = {}
    for one in problems:
        address = re.search(r"https?://[^\s()]+(?=/[^/\s()]+/[^/\s()]+)", one.message)
        found.setdefault(address.group() if address else "", one)
    if len(found) > 1:
        found.pop("", None)
    return list(found.values())


def _channel_problem(text: str) -> Problem:
    lines = [line.removeprefix("Caused by: ") for line in text.strip().splitlines()]
    if "no usable repodata cache" in text or "cache" in lines[0].lower():
        return Problem(
            message=f"a conda channel is not in the cache:\n{indented(chr(10).join(lines))}",
            hint="run once without --offline",
        )
    hint = "check the channel's name and the network; a mirror can be named for it"
    if "401" in text or "403" in text:
        hint = "the channel wants credentials: RATTLER_AUTH_FILE, or a line in ~/.netrc"
    return Problem(message=f"a conda channel cannot be read:\n{indented(chr(10).join(lines))}", hint=hint)


def _no_candidate(platform: str, specs: Sequence[CondaSpec], found: Mapping[str, Any]) -> Problem:
    origin = specs[0].origin
    text = ", ".join((spec.written or spec.text) for spec in specs)
    if found["versions"]:
        newest = ", ".join(found["versions"])
        return origin.problem(
            f"no package fits `{text}` for {platform}; the channels have {found['name']} {newest}",
            "change the version, or add a channel that has it",
        )
    close = ", ".join(found["close"])
    return origin.problem(
        f"the channels have no package {found['name']!r} for {platform}",
        f"did you mean {close}?" if close else "is it a pip package, or is a channel missing?",
    )


def _contradiction(platform: str, specs: Sequence[CondaSpec], answer: Mapping[str, Any]) -> Problem:
    core = set(answer["core"])
    lines = [
        f"these cannot be installed together for {platform}:",
        *(f"    {line}" for line in written(spec for spec in specs if expanded(spec) in core)),
        "  because",
        indented(condensed(str(answer["text"]).removeprefix(_PREFIX).rstrip())),
    ]
    return Problem(message="\n".join(lines), hint="loosen one of these lines")


def condensed(tree: str) -> str:
    """Return the solver's explanation without the branches that only repeat what was said, at most LINES lines of it."""
    lines = [line for line in tree.splitlines() if "which conflicts with the versions reported above" not in line]
    if len(lines) > LINES:
        lines = [*lines[:LINES], f"… and {len(lines) - LINES} lines more"]
    return "\n".join(lines)

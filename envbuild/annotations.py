"""Problems as annotations that a service puts on the line: GitHub's commands, GitLab's Code Quality, SARIF 2.1.0, JSON."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from envbuild.core.errors import Problem

FORMATS = ("github", "gitlab", "json", "sarif")


def annotate(problems: Iterable[Problem], form: str, *, rule: str, version: str = "") -> str:
    """Return the text of `problems` in `form` (one of `FORMATS`); `rule` names the check that found them.

    Where a problem names a key of a TOML file and no line, the line is looked up in the file.
    """
    found = [with_line(one) for one in problems]
    if form == "github":
        return "".join(f"{_github(one, rule)}\n" for one in found)
    if form == "gitlab":
        return json.dumps([_gitlab(one, rule) for one in found], indent=2) + "\n"
    if form == "sarif":
        return json.dumps(_sarif(found, rule, version), indent=2) + "\n"
    return json.dumps([one.to_dict() for one in found], indent=2) + "\n"


def with_line(problem: Problem) -> Problem:
    """Return `problem` with the line of its key, where it has only a key and its file is TOML that can be read."""
    if problem.line is not None or not problem.key or not problem.file.endswith(".toml"):
        return problem
    try:
        text = Path(problem.file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return problem
    return replace(problem, line=toml_line(text, problem.key))


def toml_line(text: str, key: str) -> int | None:
    """Return the line (from 1) of the TOML key `tool.envbuild.pip[2]` in `text`; of the nearest table where it is not found."""
    parts = [one.strip('"') for one in re.findall(r'"[^"]*"|[^.\[\]]+|\[\d+\]', key)]
    wanted = [one for one in parts if not one.startswith("[")]
    index = next((int(one[1:-1]) for one in parts[::-1] if re.fullmatch(r"\[\d+\]", one)), None)
    table: list[str] = []
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\[?([^\]]+)\]", line):
            table = _names(header[1])
            here = table
        elif entry := re.match(r"\s*([\w.\-\"']+)\s*=", line):
            here = [*table, *_names(entry[1])]
        else:
            continue
        if here == wanted[: len(here)] and (best is None or len(here) > best[0]):
            best = (len(here), number)
    if best is None:
        return None
    return best[1] if index is None or best[0] < len(wanted) else _entry_line(text, best[1], index)


def _names(dotted: str) -> list[str]:
    return [one.strip().strip("\"'") for one in re.findall(r'"[^"]*"|\'[^\']*\'|[^.]+', dotted)]


def _entry_line(text: str, start: int, index: int) -> int:
    """Return the line of entry `index` of the array that begins on line `start`: each entry is a quoted text of its own."""
    lines = text.splitlines()
    seen = -1
    for number in range(start, len(lines) + 1):
        line = lines[number - 1].partition("=")[2] if number == start else lines[number - 1]
        for _ in re.finditer(r'"(?:\\.|[^"\\])*"|\'[^\']*\'', line):
            seen += 1
            if seen == index:
                return number
        if line.rstrip().endswith("]"):
            break
    return start


def _message(problem: Problem) -> str:
    text = f"{problem.key}: {problem.message}" if problem.key else problem.message
    return f"{text} (hint: {problem.hint})" if problem.hint else text


def _github(problem: Problem, rule: str) -> str:
    place = {"file": problem.file, "line": str(problem.line or ""), "title": f"envbuild {rule}"}
    properties = ",".join(f"{name}={_property(value)}" for name, value in place.items() if value)
    return f"::error {properties}::{_data(_message(problem))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _gitlab(problem: Problem, rule: str) -> dict[str, object]:
    identity = f"{rule}\0{problem.file}\0{problem.key}\0{problem.message}"
    return {
        "description": _message(problem),
        "check_name": f"envbuild/{rule}",
        "fingerprint": hashlib.sha256(identity.encode()).hexdigest(),
        "severity": "major",
        "location": {"path": _relative(problem.file), "lines": {"begin": problem.line or 1}},
    }


def _relative(file: str) -> str:
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return path.as_posix()


def _sarif(problems: Sequence[Problem], rule: str, version: str) -> dict[str, object]:
    driver: dict[str, object] = {"name": "envbuild", "rules": [{"id": f"envbuild/{rule}"}]}
    if version:
        driver["version"] = version
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(one, rule) for one in problems]}],
    }


def _result(problem: Problem, rule: str) -> dict[str, object]:
    result: dict[str, object] = {
        "ruleId": f"envbuild/{rule}",
        "level": "error",
        "message": {"text": _message(problem)},
    }
    if problem.file:
        physical: dict[str, object] = {"artifactLocation": {"uri": _relative(problem.file)}}
        if problem.line is not None:
            physical["region"] = {"startLine": problem.line}
        result["locations"] = [{"physicalLocation": physical}]
    return result

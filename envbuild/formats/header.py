"""The facts at the top of a lock file that envbuild wrote, read by a few regular expressions: no YAML, no TOML, no core.

Whether a lock is fresh is asked on every build; this answers in well under a millisecond for a file of any length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_CONDA_END = re.compile(r"^(?:package:|    (?:conda|pip|envbuild-tool)/)", re.MULTILINE)
_PYLOCK_END = re.compile(r"^\[\[", re.MULTILINE)
_CONDA_FACT = re.compile(r"^    envbuild-([a-z-]+): (.*)$", re.MULTILINE)
_CONDA_SOURCE = re.compile(r"^    (\S.*):\n      md5: ''\n      sha256: '?([0-9a-f]{64})'?$", re.MULTILINE)
_CONDA_PLATFORMS = re.compile(r"^  platforms:\n((?:  - .*\n)+)", re.MULTILINE)
_PYLOCK_TABLE = re.compile(r"^\[tool\.envbuild\]\n((?:[^\[\n].*\n)*)", re.MULTILINE)
_PYLOCK_SOURCES = re.compile(r"^\[tool\.envbuild\.sources\]\n((?:\".*\n)*)", re.MULTILINE)
_PYLOCK_FACT = re.compile(r"^([a-z-]+) = (.*)$", re.MULTILINE)
_PYLOCK_SOURCE = re.compile(r'^("(?:[^"\\]|\\.)*") = "([0-9a-f]{64})"$', re.MULTILINE)
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What stands at the top of a lock. All is empty where another tool wrote it.

    `sources` maps a path, relative to the lock, to the SHA-256 of the file that the lock was made from.
    """

    format: Literal["conda-lock", "pylock", ""] = ""
    definition_hash: str = ""
    sources: tuple[tuple[str, str], ...] = ()
    platforms: tuple[str, ...] = ()
    exclude_newer: str = ""


def read_header(text: str) -> Header:
    """Return the header of a lock file's text; never an error, since whoever needs more reads the whole file."""
    if text.startswith("lock-version"):
        return _pylock(text)
    if text.startswith(("#", "version: 1\n")):
        return _conda_lock(text)
    return Header()


def _conda_lock(text: str) -> Header:
    end = _CONDA_END.search(text)
    top = text[: end.start()] if end else text
    facts = {name: _yaml(one) for name, one in _CONDA_FACT.findall(top)}
    platforms = _CONDA_PLATFORMS.search(top)
    return Header(
        format="conda-lock",
        definition_hash=facts.get("definition-hash", ""),
        sources=tuple((_yaml(path), digest) for path, digest in _CONDA_SOURCE.findall(top)),
        platforms=tuple(_yaml(line[4:]) for line in platforms[1].splitlines()) if platforms else (),
        exclude_newer=facts.get("exclude-newer", ""),
    )


def _yaml(text: str) -> str:
    return text[1:-1].replace("''", "'") if text.startswith("'") else _quoted(text)


def _quoted(text: str) -> str:
    return _ESCAPE.sub(_character, text[1:-1]) if text.startswith('"') else text


def _character(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    return chr(int(code, 16)) if code else "\t" if found[4] == "t" else found[4]


def _pylock(text: str) -> Header:
    end = _PYLOCK_END.search(text)
    top = text[: end.start()] if end else text
    table, sources = _PYLOCK_TABLE.search(top), _PYLOCK_SOURCES.search(top)
    facts = dict(_PYLOCK_FACT.findall(table[1])) if table else {}
    return Header(
        format="pylock",
        definition_hash=_quoted(facts.get("definition-hash", '""')),
        sources=tuple((_quoted(path), digest) for path, digest in _PYLOCK_SOURCE.findall(sources[1]))
        if sources
        else (),
        platforms=tuple(re.findall(r'"([^"]*)"', facts.get("platforms", ""))),
        exclude_newer=_quoted(facts.get("exclude-newer", '""')),
    )

"""`.dockerignore`: which files of a build context a builder never sees (Docker's reference, ".dockerignore file"). Pure."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from envbuild.core.errors import PlanError

_MOST_STARS = 3
"""In one part of a path, and `**` in all: each multiplies the ways to match by the length of a name."""

_WILD = {"*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    keeps: bool


@dataclass(frozen=True, slots=True)
class DockerIgnore:
    """The rules of one file; the last that matches a path, or a folder above it, decides."""

    rules: tuple[_Rule, ...] = ()

    @classmethod
    def parse(cls, text: str) -> DockerIgnore:
        """Read the text of a `.dockerignore`.

        Raises:
            PlanError: a pattern is malformed; its line is named.
        """
        rules: list[_Rule] = []
        for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
            line = raw.strip()
            if not line or raw.startswith("#"):
                continue
            keeps = line.startswith("!")
            # `**/**/` says no more than `**/`, and would cost the more
            pattern = re.sub(r"(?:\*\*/)+", "**/", posixpath.normpath(line.removeprefix("!").strip()).lstrip("/"))
            if pattern == ".":
                continue
            if pattern.count("**") > _MOST_STARS or any(one.count("*") > _MOST_STARS for one in pattern.split("/")):
                raise PlanError(f".dockerignore, line {number}: {line[:80]!r} has more stars than anybody needs")
            try:
                rules.append(_Rule(re.compile(_expression(pattern), re.DOTALL), keeps))
            except re.error as error:
                raise PlanError(f".dockerignore, line {number}: {line!r} is not a pattern ({error})") from error
        return cls(tuple(rules))

    def ignores(self, path: str) -> bool:
        """Tell whether `path` (relative, with `/`) is left out."""
        parts = path.split("/")
        above = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        ignored = False
        for rule in self.rules:
            if rule.keeps == ignored and any(rule.pattern.fullmatch(one) for one in above):
                ignored = not rule.keeps
        return ignored


def _expression(pattern: str) -> str:
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        text, position = _token(pattern, position)
        parts.append(text)
    return "".join(parts)


def _token(pattern: str, position: int) -> tuple[str, int]:
    if pattern.startswith("**", position):
        after = position + 2
        if pattern.startswith("/", after):
            return "(?:.*/)?", after + 1
        return ".*", after
    char = pattern[position]
    if char == "\\" and position + 1 < len(pattern):
        return re.escape(pattern[position + 1]), position + 2
    if char == "[" and (end := pattern.find("]", position + 2)) > 0:
        return _set(pattern[position + 1 : end]), end + 1
    return _WILD.get(char, re.escape(char)), position + 1


def _set(inner: str) -> str:
    negated = inner.startswith("^")
    members = inner.removeprefix("^").replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
    # Python keeps these for sets of sets
    members = re.sub(r"([&|~])", r"\\\1", members).replace("--", "-\\-")
    return f"[{'^' if negated else ''}{members}]"

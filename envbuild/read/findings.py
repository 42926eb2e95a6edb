"""What is wrong, and what is worth saying, while one definition is read: collected, so that a person sees all of it at once."""

from __future__ import annotations

import re

from envbuild.core.definition import NOWHERE, Origin
from envbuild.core.errors import DefinitionError, Problem

_CREDENTIALS = re.compile(
    r"(?<=://)(?!\$\{)[^/\s]*(?=@)|(?<=/t/)(?!\$\{)[^/\s]+(?=/)"
    r"|(?i:(?<=[?&]sig=)|(?<=[?&]token=)|(?<=_token=)|(?<=[?&]password=)|(?<=api_key=)|(?<=apikey=))(?!\$\{)[^&\s'\"]+"
)


class Findings:
    """Collects the problems and the notes of one reading. Credentials inside quoted URLs are masked on the way in."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self._said: set[tuple[bool, Problem]] = set()

    def refuse(self, at: Origin, message: str, hint: str = "") -> None:
        """Record that what stands `at` is not understood: the definition is refused in the end."""
        self._add(self.problems, at.problem(mask(message), hint))

    def note(self, at: Origin, message: str, hint: str = "") -> None:
        """Record that what stands `at` was mended, or has no effect here."""
        self._add(self.notes, at.problem(mask(message), hint))

    def _add(self, to: list[Problem], one: Problem) -> None:
        # a search of the list would cost the square of a hostile file's lines
        known = (to is self.problems, one)
        if known not in self._said:
            self._said.add(known)
            to.append(one)

    def close(self) -> tuple[Problem, ...]:
        """Return the notes.

        Raises:
            DefinitionError: there is at least one problem.
        """
        if self.problems:
            raise DefinitionError(self.problems)
        return tuple(self.notes)


def mask(text: str) -> str:
    """Return `text` with what looks like a credential inside a URL replaced by `***`; `${VAR}` stays."""
    return _CREDENTIALS.sub("***", text)


def fatal(message: str, *, file: str = "", line: int | None = None, hint: str = "") -> DefinitionError:
    """Return the error for a file that cannot be read any further."""
    return DefinitionError(Origin(file=file, line=line).problem(mask(message), hint))


__all__ = ["NOWHERE", "Findings", "Origin", "fatal", "mask"]

"""The errors of envbuild: one root, data on the error, the exit code on the class.

    EnvbuildError              1
    ├── DefinitionError        3   a definition, or another file that a person writes, is not understood
    ├── LockError              4   a lock is unreadable, stale, or missing where it is needed
    ├── SolveError             5   no set of packages satisfies the definition
    ├── PlanError              6   the lock cannot become an image (no interpreter, no wheel, refused base)
    ├── EngineError            7   a container engine is missing or a build failed
    ├── NetworkError           8   a server cannot be reached, refuses, or answers wrongly
    ├── IntegrityError         9   bytes do not match their hash
    ├── WorkspaceError        10   a name or version in the workspace is missing, taken or reserved
    └── ServiceError          11   a model, its script or its service does not work

Exit code 1 alone means "no" to a question that was asked (`lock --check`, `diff --exit-code`), 2 a wrong
command line (argparse), 70 a defect in envbuild, 130 an interrupt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, and where.

    `message` says what was found and what is accepted; `hint` what to write or run instead.
    `key` is the path in the file as a person would say it: `dependencies[2].pip[0]`.
    """

    message: str
    file: str = ""
    line: int | None = None
    key: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = self.file
        if self.line is not None:
            place = f"{place}:{self.line}" if place else f"line {self.line}"
        parts = [part for part in (place, self.key) if part]
        text = ": ".join([*parts, self.message])
        return f"{text}\n  hint: {self.hint}" if self.hint else text

    def in_file(self, file: str) -> Problem:
        """Return the same problem, said of `file` unless it already names one."""
        return self if self.file else replace(self, file=file)

    def to_dict(self) -> dict[str, object]:
        """Return the parts that are set, for `--json`."""
        fields = {"file": self.file, "line": self.line, "key": self.key, "message": self.message, "hint": self.hint}
        return {name: value for name, value in fields.items() if value not in ("", None)}


class EnvbuildError(Exception):
    """The root of every error that envbuild raises on purpose.

    Attributes:
        problems: everything that is wrong, in the order of the file; never empty.
        exit_code: what the command line exits with.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, problems: str | Problem | Iterable[Problem], *, hint: str = "") -> None:
        """Take one message, one problem, or all problems of a file."""
        if isinstance(problems, str):
            problems = (Problem(message=problems, hint=hint),)
        elif isinstance(problems, Problem):
            problems = (problems,)
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[EnvbuildError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class UsageError(EnvbuildError):
    """What is asked for makes no sense: an option's value, or options that exclude one another."""

    exit_code = 2


class DefinitionError(EnvbuildError):
    """A definition, or another file that a person writes, is not understood."""

    exit_code = 3


class LockError(EnvbuildError):
    """A lock is unreadable, stale, or missing where it is needed."""

    exit_code = 4


class SolveError(EnvbuildError):
    """No set of packages satisfies the definition."""

    exit_code = 5


class PlanError(EnvbuildError):
    """The lock cannot become an image."""

    exit_code = 6


class MustRunError(PlanError):
    """Something of the plan must be run to be installed, and the engine runs nothing."""


class EngineError(EnvbuildError):
    """A container engine is missing or a build failed."""

    exit_code = 7


class NetworkError(EnvbuildError):
    """A server cannot be reached, refuses, or answers wrongly."""

    exit_code = 8


class IntegrityError(EnvbuildError):
    """Bytes do not match the hash that was promised for them."""

    exit_code = 9


class WorkspaceError(EnvbuildError):
    """A name or version in the workspace is missing, taken or reserved."""

    exit_code = 10


class ServiceError(EnvbuildError):
    """A model, its script or its service does not work."""

    exit_code = 11


class FileError(EnvbuildError):
    """A file or folder cannot be read or written, or exists already."""

    exit_code = 12

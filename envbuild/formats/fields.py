"""Foreign data (YAML, TOML, JSON) read key by key: each getter returns a value of the asked type and notes what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from envbuild.core.errors import LockError, Problem
from envbuild.core.names import is_one_line

Path = tuple[str | int, ...]
_SHOWN = 20


@dataclass(slots=True, kw_only=True)
class Notes:
    """What is wrong in one file so far. `locate` gives the line of a path, counted from 1, and is asked only for problems."""

    file: str
    locate: Callable[[Path], int | None] = lambda _: None
    found: list[tuple[Path, str, str]] = field(default_factory=list)

    def add(self, path: Path, message: str, hint: str = "") -> None:
        """Note one problem at `path`."""
        self.found.append((path, message, hint))

    def check(self) -> None:
        """Raise what was noted, if anything.

        Raises:
            LockError: at least one problem was noted; the first twenty are told.
        """
        if not self.found:
            return
        problems = [self._problem(*one) for one in self.found[:_SHOWN]]
        if len(self.found) > _SHOWN:
            problems.append(Problem(message=f"and {len(self.found) - _SHOWN} more problems", file=self.file))
        raise LockError(problems)

    def _problem(self, path: Path, message: str, hint: str) -> Problem:
        return Problem(message=message, file=self.file, line=self.locate(path), key=key_text(path), hint=hint)


def key_text(path: Path) -> str:
    """Return `path` as a person would say it: `package[3].url`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def kind_of(value: object) -> str:
    """Return what `value` is, in the words of YAML and TOML; never its content, which may be huge."""
    names: tuple[tuple[type, str], ...] = (
        (bool, "a boolean"),
        (str, "text"),
        (int, "a number"),
        (float, "a number"),
        (list, "a list"),
        (dict, "a mapping"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "nothing" if value is None else "a date")


@dataclass(frozen=True, slots=True)
class Table:
    """One mapping of the file, at `path`."""

    data: Mapping[str, object]
    path: Path
    notes: Notes

    def wrong(self, name: str, message: str, hint: str = "") -> None:
        """Note a problem at the key `name` (empty: at the mapping itself)."""
        self.notes.add((*self.path, name) if name else self.path, message, hint)

    def has(self, name: str) -> bool:
        """Tell whether `name` is there and not null."""
        return self.data.get(name) is not None

    def text(self, name: str, *, required: bool = False) -> str:
        """Return the text at `name`, an empty one where it is missing or wrong."""
        value = self.data.get(name)
        if value is None or value == "":
            if required:
                self.wrong(name, "is missing")
            return ""
        if not isinstance(value, str):
            self.wrong(name, f"is {kind_of(value)}, not text")
        elif not is_one_line(value):
            self.wrong(name, "holds a line break or another control character")
        else:
            return value
        return ""

    def number(self, name: str) -> int | None:
        """Return the whole number from 0 up at `name` (also where it is written as text), or None."""
        value = self.data.get(name)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            return int(value)
        self.wrong(name, f"is {kind_of(value)}, not a whole number from 0 up")
        return None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the list of texts at `name`; what is no text is noted and left out."""
        found = self.data.get(name)
        if found is None or found == "":
            return ()
        if not isinstance(found, list):
            self.wrong(name, f"is {kind_of(found)}, not a list of texts")
            return ()
        inner = Table({str(number): one for number, one in enumerate(found)}, (*self.path, name), self.notes)
        return tuple(text for number in inner.data if (text := inner.text(number)))

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return the mapping from text to text at `name`, as pairs in the file's order; empty texts are kept."""
        inner = self.table(name)
        return tuple((key, inner.text(key)) for key in inner.data)

    def table(self, name: str) -> Table:
        """Return the mapping at `name`, an empty one where it is missing or wrong."""
        return as_table(self.data.get(name), (*self.path, name), self.notes)

    def tables(self, name: str) -> list[Table]:
        """Return the list of mappings at `name`."""
        found = self.data.get(name)
        if found is None or found == "":
            return []
        if not isinstance(found, list):
            self.wrong(name, f"is {kind_of(found)}, not a list of mappings")
            return []
        return [as_table(one, (*self.path, name, number), self.notes) for number, one in enumerate(found)]


def as_table(value: object, path: Path, notes: Notes) -> Table:
    """Return `value` as a mapping with text keys; anything else is noted and becomes an empty one."""
    if isinstance(value, dict):
        if all(isinstance(key, str) and is_one_line(key) for key in value):
            return Table(value, path, notes)
        notes.add(path, "has a key that is not one line of text")
    elif value is not None and value != "":
        notes.add(path, f"is {kind_of(value)}, not a mapping")
    return Table({}, path, notes)

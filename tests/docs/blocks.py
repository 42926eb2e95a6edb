"""The code blocks of the documentation.

A block's first word is its language; a second one, `` ```toml pyproject.toml ``, is the file that it is written to. In a `console`
block each line that begins with `$ ` is run in a project of its own for each document, and must end with code 0; the lines below it
must come out in that order, `…` for anything. `https://index.example/simple`, `https://conda.example/channel` are servers on loopback.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is that of its fence."""

    document: Path
    line: int
    language: str
    file: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document.name}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One line of a console block, and what it is said to print."""

    text: str
    expected: tuple[str, ...]


def documents() -> list[Path]:
    return [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]


def blocks(document: Path) -> list[Block]:
    source = document.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(source):
        language, _, file = match["info"].strip().partition(" ")
        found.append(Block(document, source.count("\n", 0, match.start()) + 1, language, file.strip(), match["text"]))
    return found


def commands(text: str) -> Iterator[Command]:
    command, expected = "", []
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield Command(command, tuple(expected))
            command, expected = line[2:], []
        elif command.endswith("\\"):
            command += f"\n{line}"
        elif line.strip():
            expected.append(line.strip())
    if command:
        yield Command(command, tuple(expected))

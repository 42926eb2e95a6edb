"""`requirements.txt` and `.in`, as pip reads them: lines, options, includes, encodings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from urllib.parse import urljoin

from envbuild.core.definition import Definition, Origin, PipRequirement
from envbuild.core.errors import DefinitionError
from envbuild.read.findings import Findings
from envbuild.read.pip_side import LINE_OPTIONS, PipSide
from envbuild.read.requirement import read_requirement
from envbuild.read.sources import Include, beside
from envbuild.read.text import decode, mend
from envbuild.read.urls import has_credentials

MOST_FILES = 100

_HASH = re.compile(r"(sha256|sha384|sha512):[0-9a-fA-F]+")
_EDITABLE = re.compile(r"(?:-e\s*|--editable(?:\s+|=))(?=\S)(.+)")
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")


def parse_requirements(text: str, file: str, include: Include) -> Definition:
    """Return what the requirements file `text`, called `file`, says; `include` gives the files that it names.

    Raises:
        DefinitionError: every problem of the file and of those that it includes.
    """
    findings, side = Findings(), PipSide()
    read_lines(text, file, include, findings, side)
    notes = findings.close()
    return Definition(
        kind="requirements",
        pip=tuple(side.requirements),
        constraints=tuple(side.constraints),
        index=side.index(),
        notes=notes,
        origin=Origin(file=file),
    )


def read_lines(text: str, file: str, include: Include, findings: Findings, side: PipSide) -> None:
    """Add what the lines of `text` say to `side`; problems and notes go to `findings`."""
    _File(include, findings, side, (file,)).read(text, file, constraint=False)


def read_entry(text: str, at: Origin, include: Include, findings: Findings, side: PipSide) -> None:
    """Add what one entry of a list (conda's `pip:`), which is a line of a requirements file, says to `side`."""
    reader = _File(include, findings, side, (at.file,))
    for _, line in logical_lines(text):
        reader.line(line, at, constraint=False)


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number and content of each line that says something: joined at backslashes, without comments, as pip does."""
    start, joined = 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        start = start or number
        is_comment = raw.lstrip().startswith("#")
        if raw.endswith("\\") and not is_comment:
            joined += raw[:-1]
            continue
        joined += f" {raw}" if is_comment else raw
        if line := _without_comment(joined):
            yield start, line
        start, joined = 0, ""
    if line := _without_comment(joined):
        yield start, line


def _without_comment(line: str) -> str:
    """Return `line` up to the first `#` that stands at its start or behind a space, as pip does."""
    at = line.find("#")
    while at > 0 and not line[at - 1].isspace():
        at = line.find("#", at + 1)
    return (line if at < 0 else line[:at]).strip()


class _File:
    """Reads lines into a `PipSide`; `trail` holds the files that led here, so that a cycle is seen."""

    def __init__(self, include: Include, findings: Findings, side: PipSide, trail: tuple[str, ...]) -> None:
        self.include, self.findings, self.side, self.trail = include, findings, side, trail

    def read(self, text: str, file: str, *, constraint: bool) -> None:
        for number, line in logical_lines(mend(text, file, self.findings)):
            self.line(line, Origin(file=file, line=number), constraint=constraint)

    def line(self, line: str, at: Origin, *, constraint: bool) -> None:
        if found := _EDITABLE.fullmatch(line):
            self._requirement(_unquoted(found[1]), at, constraint=constraint, editable=True)
        elif line.startswith("-"):
            self._option_line(line, at)
        elif not self._is_stray(line, at):
            self._requirement(line, at, constraint=constraint, editable=False)

    def _is_stray(self, line: str, at: Origin) -> bool:
        """Record lines that are of another program and would be taken for packages."""
        if found := re.match(r"(?:python\d?(?:\.\d+)?\s+-m\s+)?(?:pip\d?|conda|mamba)\s+install\s+(.*)", line):
            self.findings.refuse(at, f"{line!r} is a command, not a requirement", f"write {found[1]}")
            return True
        return False

    def _option_line(self, line: str, at: Origin) -> None:
        words = self._split(line, at)
        while words:
            name, value = _option(words)
            words = words[1:]
            if name in _WITH_VALUE and value is None:
                if not words:
                    self.findings.refuse(at, f"{name} has no value")
                    return
                value, words = words[0], words[1:]
            self._apply(name, value, at)
            stray = list(takewhile(lambda word: not word.startswith("-"), words))
            if stray:
                self.findings.note(at, f"{' '.join(stray)!r} behind {name} has no effect, as in pip")
                words = words[len(stray) :]

    def _apply(self, name: str, value: str | None, at: Origin) -> None:
        if name in ("-r", "--requirement", "--requirements"):
            self._include(value or "", at, constraint=False)
        elif name in ("-c", "--constraint"):
            self._include(value or "", at, constraint=True)
        else:
            self.side.option(name, value, at, self.findings)

    def _split(self, line: str, at: Origin) -> list[str]:
        try:
            return shlex.split(line, posix="\\" not in line)
        except ValueError:
            self.findings.refuse(at, f"{line!r} has a quotation mark that is not closed")
            return []

    def _requirement(self, line: str, at: Origin, *, constraint: bool, editable: bool) -> None:
        body, hashes = self._line_options(line, at)
        one = read_requirement(body, at, self.findings, editable=editable, hashes=hashes)
        if one is not None:
            self.side.add(one, constraint=constraint)

    def _line_options(self, line: str, at: Origin) -> tuple[str, tuple[str, ...]]:
        parts = re.split(r"(?<!\s)\s+(?=--?[a-zA-Z])", line)
        hashes: list[str] = []
        for option in parts[1:]:
            name, equals, value = option.partition("=") if "=" in option.split()[0] else option.partition(" ")
            value = value.strip().strip("'\"") if equals else ""
            if name == "--hash":
                self._hash(value, hashes, at)
            elif name in LINE_OPTIONS:
                self.findings.note(
                    at, f"{name} has no effect: it changes how a package is built, not which one is taken"
                )
            else:
                self.findings.refuse(
                    at, f"{option!r} cannot stand behind a requirement", "options stand on lines of their own"
                )
        return parts[0], tuple(hashes)

    def _hash(self, value: str, hashes: list[str], at: Origin) -> None:
        if _HASH.fullmatch(value):
            hashes.append(value)
        else:
            self.findings.refuse(
                at, f"--hash={value} is not a hash", "sha256:, sha384: or sha512: and hexadecimal digits are accepted"
            )

    def _include(self, target: str, at: Origin, *, constraint: bool) -> None:
        url = urljoin(at.file, target) if _URL.match(at.file) else target
        if _URL.match(url):
            self._remote(url, at, constraint=constraint)
            return
        path = beside(at.file, target)
        if path in self.trail:
            self.findings.refuse(
                at, f"includes {target}, which is being read already: {' → '.join((*self.trail, path))}"
            )
            return
        if self.side.count_file() > MOST_FILES:
            self.findings.refuse(at, f"includes more than {MOST_FILES} files")
            return
        try:
            text = decode(self.include(path), path, pep263=True)
        except DefinitionError as error:
            self.findings.refuse(at, f"includes {target}, which {error.problems[0].message}")
            return
        _File(self.include, self.findings, self.side, (*self.trail, path)).read(text, path, constraint=constraint)

    def _remote(self, url: str, at: Origin, *, constraint: bool) -> None:
        if not url.startswith(("https://", "http://")):
            self.findings.refuse(at, f"includes {url}, which is not over HTTP", "download it, and include the file")
        elif has_credentials(url):
            self.findings.refuse(
                at, f"{url} holds a credential; a definition never does", "keep it in netrc, or download the file"
            )
        else:
            text = f"{'-c' if constraint else '-r'} {url}"
            self.side.add(PipRequirement(text=text, kind="include", target=url, origin=at), constraint=constraint)


_INCLUDES = ("-r", "--requirement", "--requirements", "-c", "--constraint")
_PLACES = ("-i", "--index-url", "--pypi-url", "--extra-index-url", "-f", "--find-links", "--trusted-host")
_WITH_VALUE = frozenset({*_INCLUDES, *_PLACES, "-e", "--editable", "--no-binary", "--only-binary", "--use-feature"})


def _option(words: list[str]) -> tuple[str, str | None]:
    """Split the first of `words`: `--name=value`, `--name`, `-n`, `-nvalue`."""
    word = words[0]
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals else None
    return word[:2], word[2:].removeprefix("=") or None


def _unquoted(text: str) -> str:
    """Return `text` without the quotation marks around its first word, which a path with spaces needs."""
    found = re.fullmatch(r"(['\"])(.+?)\1(.*)", text)
    return f"{found[2]}{found[3]}" if found else text

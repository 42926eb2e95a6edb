"""What a build prints, understood: which step runs, what it said, and which one failed. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from envbuild.context import Context, Step
from envbuild.core.definition import Origin
from envbuild.core.errors import EngineError, Problem
from envbuild.core.progress import Step as ProgressStep

_BUILDKIT = re.compile(r"#(\d+) (.*)")
_TIMED = re.compile(r"\d+\.\d+ ")
_STAGED = re.compile(r"\[(?:[^\]]* )?(\d+)/(\d+)\] (.*)")
_CLASSIC = re.compile(r"(?:\[\d+/\d+\] )?S(?:tep|TEP) (\d+)/(\d+) ?: (.*)")
_BUILDAH_ERROR = re.compile(r'Error: building at STEP "(.*)": (.*)')
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s:]+(?::[^/@\s]*)?@")
_SPACES = re.compile(r"\s+")
_LONGEST = 600
_COUNTED = ("FROM", "RUN", "COPY", "ADD")


def redact(text: str) -> str:
    """Return `text` with user names and passwords in URLs left out."""
    return _CREDENTIALS.sub("", text)


@dataclass(slots=True)
class BuildLog:
    """Takes the lines of a build as they come (`docker build --progress=plain`, the classic builder, buildah)."""

    context: Context
    progress: ProgressStep | None = None
    lines: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    _titles: dict[str, str] = field(default_factory=dict)
    _said: dict[str, deque[str]] = field(default_factory=dict)
    _current: str = ""
    _failed: str = ""
    _error: str = ""

    def take(self, raw: str) -> None:
        """Take one line."""
        line = redact(raw)
        self.lines.append(line)
        if found := _BUILDKIT.fullmatch(line):
            self._take_buildkit(found[1], found[2])
        elif found := _CLASSIC.match(line):
            self._begin(line, f"[{found[1]}/{found[2]}] {found[3]}")
        elif found := _BUILDAH_ERROR.fullmatch(line):
            self._take_buildah_error(found[1], line)
        elif self._current and not self._failed and line.strip():
            self._hear(self._current, line)

    def _take_buildkit(self, number: str, text: str) -> None:
        if number not in self._titles:
            self._begin(number, text)
        elif text == "CACHED":
            self._end(number, self.cached)
        elif text.startswith("DONE "):
            self._end(number, self.ran)
        elif text.startswith("ERROR"):
            self._failed = number
            self._error = text
        elif _TIMED.match(text):
            self._hear(number, text.partition(" ")[2])

    def _take_buildah_error(self, text: str, line: str) -> None:
        # stages run side by side and their words bear no name: the step that began last need not be the one that failed
        failed = find_step(self.context, text)
        begun = [number for number in self._titles if failed is not None and self._step(number) == failed]
        if begun:
            self._failed = begun[-1]
            since = self.lines[self.lines.index(self._failed) + 1 :]
            self._said[self._failed] = deque((one for one in since if one.strip() and not _CLASSIC.match(one)), 20)
        elif self._current:
            self._hear(self._current, line)

    def _begin(self, number: str, title: str) -> None:
        self._titles[number] = title
        self._current = number
        if self.progress is not None and _STAGED.match(title):
            self.progress.advance(0, self.describe(number))

    def _end(self, number: str, where: list[str]) -> None:
        found = _STAGED.match(self._titles[number])
        if found is None:
            return
        where.append(found[3])
        if self.progress is not None:
            self.progress.advance(1, self.describe(number))

    def _hear(self, number: str, line: str) -> None:
        self._said.setdefault(number, deque(maxlen=20)).append(line)

    def describe(self, number: str) -> str:
        """Return a short text for step `number`: the kind of layer, or the instruction."""
        step = self._step(number)
        found = _STAGED.match(self._titles[number])
        text = found[3] if found else self._titles[number]
        short = text if len(text) <= 60 else f"{text[:59]}…"
        return f"{step.kind}: {short}" if step is not None else short

    def _step(self, number: str) -> Step | None:
        found = _STAGED.match(self._titles.get(number, ""))
        return find_step(self.context, found[3]) if found else None

    def failure(self, log_file: str) -> EngineError:
        """Return the error for a build that failed: its step, its last lines, who asked for it, and the whole log."""
        number = self._failed or self._current
        step = self._step(number)
        said = list(self._said.get(number, ()))
        if not said and step is not None and self._error:
            said = [step.text, self._error]  # it failed without a word
        said = said or [line for line in self.lines if line.strip()][-20:]
        what = f"the {step.kind} step of the build failed (Dockerfile:{step.line})" if step else "the build failed"
        places = sorted(_asking(step, said) if step else (), key=lambda one: (one.file, one.line or 0))
        origins = list(dict.fromkeys(str(one) for one in places if one.file))
        asked = f"\n  asked for by {', '.join(origins[:8])}{' …' if len(origins) > 8 else ''}" if origins else ""
        tail = "".join(f"\n  | {_short(line)}" for line in said)
        return EngineError(Problem(message=f"{what}{asked}{tail}", hint=f"the full log is in {log_file}"))


def _asking(step: Step, said: list[str]) -> Iterable[Origin]:
    """Return the places that asked for what the last lines name; where they name nothing of it, for all of the step."""
    text = "\n".join(said)
    named = [origin for name, origin in step.asked if _name(name).search(text)]
    return named or step.origins


def _name(name: str) -> re.Pattern[str]:
    # tools write one name with `-`, `_` or `.`, and put a version behind it
    spelled = "[-_.]".join(map(re.escape, re.split(r"[-_.]", name)))
    return re.compile(rf"(?<![\w.-]){spelled}(?![\w-]*[a-z])", re.IGNORECASE)


def _short(line: str) -> str:
    # engines repeat the whole instruction and put the cause behind it
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 3]} … {line[-2 * _LONGEST // 3 :]}"


def find_step(context: Context, shown: str) -> Step | None:
    """Return the step of `context` that an engine shows as `shown`, which may be cut short and has other spaces."""
    wanted = _words(shown).removesuffix("...").rstrip("…")
    return next((one for one in context.steps if wanted and _words(one.text).startswith(wanted)), None)


def _words(text: str) -> str:
    # engines print a RUN with its flags or without, and collapse what a continued line leaves
    return re.sub(r"^(RUN|COPY|ADD)((?: --\S+)+)", r"\1", _SPACES.sub(" ", text).strip())


def count_steps(dockerfile_instructions: Iterable[tuple[int, str]]) -> int:
    """Return how many steps an engine will show."""
    return sum(text.split(" ", 1)[0].upper() in _COUNTED for _, text in dockerfile_instructions)

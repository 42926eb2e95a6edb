"""Judges a rendered context with parsers that are not ours: BuildKit's own for the Dockerfile, a real shell for its words."""

from __future__ import annotations

import re
import shlex
import subprocess  # noqa: TID251
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath

import dockerfile as buildkit

from envbuild.context import Context
from envbuild.core.plan import Plan

SHELL = "/bin/sh"


@lru_cache(maxsize=256)
def instructions(text: str) -> tuple[str, ...]:
    """Return the instructions' names as BuildKit's parser sees them."""
    return tuple(one.cmd.upper() for one in buildkit.parse_string(text))


def complaints(context: Context, plan: Plan, harmless: Context) -> Iterator[str]:
    """Yield everything that a value of the definition became and should not be; `harmless` is with a usual value there."""
    parsed = buildkit.parse_string(context.dockerfile)
    more = Counter(one.cmd.upper() for one in parsed) - Counter(instructions(harmless.dockerfile))
    # an environment variable or a source of packages of another kind may rightly add these
    if unexpected := {name for name in more if name not in ("ENV", "LABEL") and name not in _STEPS}:
        yield f"gained {sorted(unexpected)}"
    for one in parsed:
        yield from _of_instruction(one)
    yield from _variables(parsed, plan)
    yield from _files(context, plan)
    if re.search(r"(?im)^#\s*(?:syntax|escape|check)\s*=", context.dockerfile):
        yield "gained a parser directive"


_STEPS = ("RUN", "COPY", "ARG", "FROM")
"""How often these stand depends on what is installed; what they say is looked at one by one."""


def _of_instruction(one: buildkit.Command) -> Iterator[str]:
    if one.heredocs:
        yield f"line {one.start_line} gained a here-document"
    name = one.cmd.upper()
    if name == "RUN":
        if any(not flag.startswith("--mount=type=") or "HACKED" in flag for flag in one.flags):
            yield f"line {one.start_line} has the flags {one.flags}"
        yield from shell_complaints(" ".join(one.value))
    elif name in ("FROM", "COPY", "ARG", "USER", "WORKDIR") and "HACKED" in one.original:
        yield f"{name} says {one.original!r}"
    elif name in ("FROM", "COPY") and not set(one.flags) <= {f"--from=envbuild-{stage}" for stage in ("conda", "pip")}:
        yield f"{name} has the flags {one.flags}"


@cache
def shell_complaints(command: str) -> tuple[str, ...]:
    """Run `command` where no program can be found: what a value made of the shell leaves a file HACKED."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PATH": "/nonexistent", "HOME": folder}
        syntax = subprocess.run([SHELL, "-n", "-c", command], capture_output=True, check=False, env=environment)
        if syntax.returncode != 0:
            return (f"no shell can read {command!r}: {syntax.stderr.decode(errors='replace')}",)
        subprocess.run(
            [SHELL, "-c", command], cwd=folder, env=environment, capture_output=True, check=False, timeout=20
        )
        made = sorted(path.name for path in Path(folder).iterdir())
    return (f"{command!r} made {made}",) if made else ()


def docker_value(written: str) -> str | None:
    """Return what Docker makes of one word of ENV or LABEL (its reference, "Environment replacement"); None if it expands."""
    if not (len(written) >= 2 and written[0] == written[-1] == '"'):
        return None
    inner = written[1:-1]
    plain = re.sub(r"\\([\\\"$])", "", inner)
    if "$" in plain or '"' in plain or plain.endswith("\\"):
        return None
    return re.sub(r"\\([\\\"$])", r"\1", inner)


def _variables(parsed: tuple[buildkit.Command, ...], plan: Plan) -> Iterator[str]:
    for kind, expected in (("ENV", dict(plan.config.variables)), ("LABEL", dict(plan.config.labels))):
        values = [word for one in parsed if one.cmd.upper() == kind for word in one.value if word != "="]
        found = dict(zip(values[::2], values[1::2], strict=True))
        for name, value in found.items():
            if name == "PATH" and name not in expected:
                continue
            if name not in expected:
                yield f"{kind} {name} appeared"
            elif docker_value(value) != expected[name]:
                yield f"{kind} {name} is {docker_value(value)!r} ({value!r}); it was {expected[name]!r}"
        if missing := set(expected) - set(found):
            yield f"{kind} {sorted(missing)} vanished"


def _files(context: Context, plan: Plan) -> Iterator[str]:
    for file in context.files:
        parts = PurePosixPath(file.path).parts
        if file.path.startswith("/") or ".." in parts or file.link:
            yield f"the context holds {file.path!r}"
        if file.path.endswith(("requirements.txt", "requirements-vcs.txt")):
            yield from _requirement_lines(file.content.decode(), plan)
        elif file.path.endswith("tools.txt"):
            yield from (f"tools: {line!r}" for line in file.content.decode().splitlines() if len(line.split()) != 3)


_LINE = re.compile(
    r"(?:--(?:extra-)?index-url|--find-links) \S+|[a-z0-9-]+==\S+(?: --hash=sha\d{3}:[0-9a-f]+)+"
    r"|[a-z0-9-]+ @ \S+(?: --hash=sha\d{3}:[0-9a-f]+)*"
)


def _requirement_lines(text: str, plan: Plan) -> Iterator[str]:
    lines = re.split(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", text.removesuffix("\n")) if text else []
    for line in lines:
        if not _LINE.fullmatch(line):
            yield f"a requirement line is {line!r}"
        elif line.startswith("--") and _words(line) != line.split():
            yield f"an installer splits the requirement line {line!r} into other words"
    if len([line for line in lines if not line.startswith("--")]) > len(plan.selection.pip):
        yield "there are more requirements than packages"


def _words(line: str) -> list[str]:
    """Return the words of an option's line as pip splits it."""
    try:
        return shlex.split(line)
    except ValueError:
        return []

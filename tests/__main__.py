"""The test command: `python -m tests [pytest arguments]`.

It runs ruff and mypy, then the tests that need no container engine on two processes, then those that need one on two more,
each with an engine that it starts and stops itself. Where there can be no engine (not root, no apt to install it) these are skipped
with the reason, unless `ENVBUILD_REQUIRE_ENGINE=1`. Those that take minutes or a browser (`slow`) run with `--all`. Arguments go to pytest (`-m` is taken); the last line sums up.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from envbuild import programs
from tests.support.provision import OWN_ENGINES, engine_is_named, missing_parts

ROOT = Path(__file__).parents[1]
PYTEST = (sys.executable, "-m", "pytest")
CHECKS = {
    "ruff check": (sys.executable, "-m", "ruff", "check", "--quiet", "."),
    "ruff format": (sys.executable, "-m", "ruff", "format", "--check", "--quiet", "."),
    "mypy": (sys.executable, "-m", "mypy", "--no-error-summary"),
}
NO_TESTS = 5  # pytest's code when it found nothing to run


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one part went: its exit code, and what the last line says of it."""

    name: str
    code: int
    counts: str = ""

    def __str__(self) -> str:
        verdict = f"{self.name} {'ok' if self.code == 0 else 'FAILED'}"
        return f"{verdict} ({self.counts})" if self.counts else verdict


def main(arguments: Sequence[str]) -> int:
    """Run everything and return 0 if all of it is well."""
    checks = [_check(name, argv) for name, argv in CHECKS.items()]
    arguments = list(arguments)
    everything = "--all" in arguments
    arguments = [one for one in arguments if one != "--all"]
    tests = _pytest("tests", [*arguments, "-n", "2", "-m", "not engine" if everything else "not engine and not slow"])
    results = [*checks, tests, _engine_tests(arguments, "engine" if everything else "engine and not slow")]
    print(f"\nenvbuild: {', '.join(map(str, results))}", flush=True)
    return int(any(result.code for result in results))


def _engine_tests(arguments: Sequence[str], marker: str) -> Result:
    """Run the engine tests among `arguments`, a file on one of two processes; the engines are started only if there are any."""
    name, marked = "engine tests", [*arguments, "-m", marker]
    listing = programs.run([*PYTEST, *marked, "--collect-only", "-q"], cwd=ROOT, check=False)
    if listing.code == NO_TESTS:
        return Result(name=name, code=0, counts="none asked for")
    files = {line.partition("::")[0] for line in listing.stdout.splitlines() if "::" in line}
    reason = "" if engine_is_named() else missing_parts()
    if reason:
        print(f"no container engine: {reason}", flush=True)
    processes = 1 if engine_is_named() else min(2, len(files))
    variables = {"ENVBUILD_TEST_ENGINE_SKIP": reason} if reason else {OWN_ENGINES: "1"}
    result = _pytest(name, [*marked, "-n", str(processes), "--dist", "loadfile"], variables)
    required = os.environ.get("ENVBUILD_REQUIRE_ENGINE") == "1"
    return replace(result, code=1) if reason and required else result


def _check(name: str, argv: Sequence[str]) -> Result:
    done = programs.run(argv, cwd=ROOT, check=False)
    result = Result(name=name, code=done.code)
    print(f"{result}\n{done.stdout}{done.stderr}".rstrip(), flush=True)
    return result


def _pytest(name: str, arguments: Sequence[str], variables: Mapping[str, str] | None = None) -> Result:
    colour = "yes" if sys.stdout.isatty() else "no"
    argv = [*PYTEST, f"--color={colour}", *arguments]
    try:
        done = programs.stream(argv, _show, cwd=ROOT, env={**os.environ, **(variables or {})})
    except programs.ProgramError as error:
        done = error.completed
    counts = re.findall(r"((?:\d+ \w+,? ?)+) in [\d.]+s", re.sub(r"\x1b\[[\d;]*m", "", done.stdout))
    return Result(name=name, code=0 if done.code == NO_TESTS else done.code, counts=counts[-1] if counts else "")


def _show(line: str) -> None:
    print(line, flush=True)


def _terminated(number: int, frame: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminated)  # so that the engine is stopped then, too
    sys.exit(main(sys.argv[1:]))

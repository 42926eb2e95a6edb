"""The test command: `python -m tests [pytest arguments]`.

It runs ruff and mypy, then the tests that need no container engine on two processes, then, on an engine that it
starts and stops itself, those that need one. Where there can be no engine (not root, no apt to install it) these are skipped
with the reason, unless `ENVBUILD_REQUIRE_ENGINE=1`. Arguments go to pytest (`-m` is taken); the last line sums up.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from envbuild import programs
from tests.support.provision import engine_environment

ROOT = Path(__file__).parents[1]
PYTEST = (sys.executable, "-m", "pytest")
CHECKS = {
    "ruff check": (sys.executable, "-m", "ruff", "check", "--quiet", "."),
    "ruff format": (sys.executable, "-m", "ruff", "format", "--check", "--quiet", "."),
    "mypy": (sys.executable, "-m", "mypy", "--no-error-summary"),
}
NO_TESTS = 5  # pytest's code when it found nothing to run


def main(arguments: Sequence[str]) -> int:
    """Run everything and return 0 if all of it is well."""
    results = {name: _check(name, argv) for name, argv in CHECKS.items()}
    results["tests"] = _pytest([*arguments, "-n", "2", "-m", "not engine"])
    results["engine tests"] = _engine_tests(arguments)
    verdicts = (f"{name} {'ok' if code == 0 else 'FAILED'}" for name, code in results.items())
    print(f"\nenvbuild: {', '.join(verdicts)}", flush=True)
    return int(any(results.values()))


def _engine_tests(arguments: Sequence[str]) -> int:
    """Run the engine tests among `arguments`; the engine is started only if there are any."""
    marked = [*arguments, "-m", "engine"]
    listing = programs.run([*PYTEST, *marked, "--collect-only", "-q"], cwd=ROOT, check=False)
    if listing.code == NO_TESTS:
        return 0
    with engine_environment() as variables:
        reason = variables.get("ENVBUILD_TEST_ENGINE_SKIP")
        if reason:
            print(f"no container engine: {reason}", flush=True)
        code = _pytest(marked, variables)
        return 1 if reason and os.environ.get("ENVBUILD_REQUIRE_ENGINE") == "1" else code


def _check(name: str, argv: Sequence[str]) -> int:
    done = programs.run(argv, cwd=ROOT, check=False)
    print(f"{name}: {'ok' if done.code == 0 else 'FAILED'}\n{done.stdout}{done.stderr}".rstrip(), flush=True)
    return done.code


def _pytest(arguments: Sequence[str], variables: Mapping[str, str] | None = None) -> int:
    colour = "yes" if sys.stdout.isatty() else "no"
    argv = [*PYTEST, f"--color={colour}", *arguments]
    try:
        programs.stream(argv, _show, cwd=ROOT, env={**os.environ, **(variables or {})})
    except programs.ProgramError as error:
        return 0 if error.completed.code == NO_TESTS else error.completed.code
    return 0


def _show(line: str) -> None:
    print(line, flush=True)


def _terminated(number: int, frame: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminated)  # so that the engine is stopped then, too
    sys.exit(main(sys.argv[1:]))

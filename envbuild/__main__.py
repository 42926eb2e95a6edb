"""`python -m envbuild`, and the `envbuild` program."""

from __future__ import annotations

import os
import sys

from envbuild.at_once import answer


def main() -> None:
    """Run the command line and exit with its code."""
    said = answer(sys.argv[1:])
    if said:
        sys.stdout.write(said)
    code = 0 if said else _run(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 1
    # the threads of a solver's runtime can crash an interpreter that shuts down, which must not change our exit code;
    # and to give all memory back piece by piece takes time that nobody needs
    os._exit(code)


def _run(argv: list[str]) -> int:
    from envbuild.solve.conda_process import start_for

    # before anything else is imported: it starts up while the command line and the definition are read
    solver = start_for(argv)
    from envbuild.cli.main import run

    return run(argv, solver=solver)


if __name__ == "__main__":
    main()

"""`python -m envbuild`, and the `envbuild` program."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from envbuild.solve.conda_process import start_for

    # before anything else is imported: it starts up while the command line and the definition are read
    solver = start_for(sys.argv[1:])
    from envbuild.cli.main import run

    code = run(sys.argv[1:], solver=solver)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 1
    # the threads of a solver's runtime can crash an interpreter that shuts down, which must not change our exit code;
    # and to give all memory back piece by piece takes time that nobody needs
    os._exit(code)


if __name__ == "__main__":
    main()

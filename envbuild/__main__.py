"""`python -m envbuild`, and the `envbuild` program."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from envbuild.cli.main import run

    code = run(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    if "rattler" in sys.modules:
        # its runtime's threads can crash the interpreter while it shuts down, which must not change our exit code
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()

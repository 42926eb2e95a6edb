"""Start the server: `python -m serving`, or by the path of this folder."""

from __future__ import annotations

import sys

if not __package__:  # started by its path: become the package that this folder is
    from importlib import import_module
    from pathlib import Path

    folder = Path(__file__).resolve().parent
    sys.path[0] = str(folder.parent)
    import_module(folder.name)
    del sys.path[0]  # what lies beside the package must not become importable by the scoring script
    __package__ = folder.name

from .command import main

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

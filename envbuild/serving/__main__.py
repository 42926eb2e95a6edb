"""Start the server: `python -m serving`, or by the path of this folder."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def package_name() -> str:
    """Return the name under which this folder can be imported; make it importable if it was started by its path."""
    if __package__:
        return __package__
    folder = Path(__file__).resolve().parent
    sys.path[0] = str(folder.parent)
    import_module(folder.name)
    del sys.path[0]  # what lies beside the package must not become importable by the scoring script
    return folder.name


if __name__ == "__main__":
    if sys.argv[1:] == ["--mini-batches"]:
        raise SystemExit(import_module(f"{package_name()}.mini_batches").main())
    raise SystemExit(import_module(f"{package_name()}.command").main(sys.argv[1:]))

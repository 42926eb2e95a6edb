"""Where everything lies that can be made again. A path is a string here: `pathlib` takes longer to import than a cached answer."""

from __future__ import annotations

import os


def cache_folder() -> str:
    """Return the folder of all caches (`ENVBUILD_CACHE_DIR`, else XDG's)."""
    named = os.environ.get("ENVBUILD_CACHE_DIR")
    return named or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "envbuild")

"""Where the tests keep what is costly to make: Debian packages and base image archives."""

from __future__ import annotations

import os
from pathlib import Path


def tests_cache() -> Path:
    """Return the folder, from `ENVBUILD_TEST_CACHE_DIR`, else below `ENVBUILD_CACHE_DIR`, else below XDG's cache."""
    if named := os.environ.get("ENVBUILD_TEST_CACHE_DIR"):
        return Path(named)
    base = os.environ.get("ENVBUILD_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "envbuild-tests"

"""Whether the network is off: the one place that reads `ENVBUILD_OFFLINE`."""

from __future__ import annotations

import os
from collections.abc import Mapping


def is_offline(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether `ENVBUILD_OFFLINE` forbids the network."""
    return environ.get("ENVBUILD_OFFLINE", "").lower() not in ("", "0", "false", "no")

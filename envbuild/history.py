"""What was built from a definition: kept in the cache, so that a later build can say what changed and which layers exist."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from envbuild.core.explain import layer_record
from envbuild.core.keys import sha256
from envbuild.core.plan import Plan
from envbuild.files import cache_root, write_atomic

_KEPT = 400
"""Keys that are remembered for one definition; the oldest go first."""


def remember(definition: Path, environment: str, plan: Plan) -> None:
    """Keep the layers of `plan`, which was built from `definition`, as the last build's."""
    place = _place(definition, environment)
    known = [*known_keys(definition, environment), *(layer.key for layer in plan.layers)]
    content = {"layers": [layer_record(layer) for layer in plan.layers], "keys": list(dict.fromkeys(known))[-_KEPT:]}
    write_atomic(place, json.dumps(content))


def last_layers(definition: Path, environment: str) -> Sequence[dict[str, Any]]:
    """Return the layers of the last build of `definition` on this machine, or none."""
    return list(_read(definition, environment).get("layers", []))


def known_keys(definition: Path, environment: str) -> Sequence[str]:
    """Return the keys of the layers that builds of `definition` made on this machine."""
    return list(_read(definition, environment).get("keys", []))


def _read(definition: Path, environment: str) -> dict[str, Any]:
    try:
        content = json.loads(_place(definition, environment).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _place(definition: Path, environment: str) -> Path:
    return cache_root() / "history" / f"{sha256(f'{definition.resolve()}#{environment}'.encode())}.json"

"""What was built from a definition: kept in the cache, so that a later build can say what changed and which layers exist."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild import __version__
from envbuild.core.keys import sha256
from envbuild.files import cache_root, sha256_of, write_atomic
from envbuild.lockfile import find_lock
from envbuild.unchanged import unchanged_lock

if TYPE_CHECKING:
    from envbuild.core.plan import Plan

_KEPT = 400
"""Keys that are remembered for one definition; the oldest go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the last build made: the image's name and key, and the kind and key of each of its layers."""

    name: str
    key: str
    layers: tuple[tuple[str, str], ...]


def remember(definition: Path, environment: str, plan: Plan, *, plain: bool = False) -> None:
    """Keep the layers of `plan`, which was built from `definition`, as the last build's.

    Where the build was a `plain` one, with nothing asked that another might not ask, the next one may answer from here.
    """
    from envbuild.core.explain import layer_record

    place = _place(definition, environment)
    known = [*known_keys(definition, environment), *(layer.key for layer in plan.layers)]
    content = {"layers": [layer_record(layer) for layer in plan.layers], "keys": list(dict.fromkeys(known))[-_KEPT:]}
    lock = find_lock(definition, environment)
    # a build context and templates are no sources of the lock, and an unpinned base may be another tomorrow
    told_by_sources = plan.definition.base.context is None and not plan.definition.templates and plan.lock.base.digest
    # what is said of the image beside it is looked at by whoever reads the definition
    if plain and told_by_sources and lock is not None and not plan.definition.image.attest:
        content["image"] = {"name": plan.image_name, "lock": sha256_of(lock), "version": __version__}
    if content != _read(definition, environment):
        write_atomic(place, json.dumps(content))


def unchanged(definition: Path, environment: str) -> Remembered | None:
    """Return what the last plain build made, where every byte that it came from is the same; None says nothing.

    Nothing is parsed but the lock's header, so that an image that exists is found at once.
    """
    record = _read(definition, environment)
    image, lock = record.get("image"), unchanged_lock(str(definition), environment)
    if not isinstance(image, dict) or not lock or image.get("version") != __version__:
        return None
    if image.get("lock") != sha256_of(Path(lock)):
        return None
    layers = tuple((str(one["kind"]), str(one["key"])) for one in record["layers"])
    return Remembered(name=str(image["name"]), key=layers[-1][1], layers=layers)


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

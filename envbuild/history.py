"""What was built from a definition: kept in the cache, so that a later build can say what changed and which layers exist."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild import __version__
from envbuild.files import sha256_of, write_atomic
from envbuild.last_image import read_record, record_path
from envbuild.lockfile import find_lock

if TYPE_CHECKING:
    from envbuild.core.plan import Plan

_KEPT = 400
"""Keys that are remembered for one definition; the oldest go first."""


def remember(definition: Path, environment: str, plan: Plan, *, plain: bool = False) -> None:
    """Keep the layers of `plan`, which was built from `definition`, as the last build's.

    Where the build was a `plain` one, with nothing asked that another might not ask, the next one may answer from here.
    """
    from envbuild.core.explain import layer_record

    known = [*known_keys(definition, environment), *(layer.key for layer in plan.layers)]
    content = {"layers": [layer_record(layer) for layer in plan.layers], "keys": list(dict.fromkeys(known))[-_KEPT:]}
    lock = find_lock(definition, environment)
    # a build context and templates are no sources of the lock, and an unpinned base may be another tomorrow
    told_by_sources = plan.definition.base.context is None and not plan.definition.templates and plan.lock.base.digest
    # what is said of the image beside it is looked at by whoever reads the definition
    if plain and told_by_sources and lock is not None and not plan.definition.image.attest:
        code = [[one.folder.path, one.sources] for one in plan.code]
        content["image"] = {"name": plan.image_name, "lock": sha256_of(lock), "version": __version__, "code": code}
    place, text = Path(record_path(str(definition), environment)), json.dumps(content)
    # a build that changed nothing writes nothing
    if not place.is_file() or place.read_text(encoding="utf-8") != text:
        write_atomic(place, text)


def last_layers(definition: Path, environment: str) -> Sequence[dict[str, Any]]:
    """Return the layers of the last build of `definition` on this machine, or none."""
    return list(read_record(str(definition), environment).get("layers", []))


def known_keys(definition: Path, environment: str) -> Sequence[str]:
    """Return the keys of the layers that builds of `definition` made on this machine."""
    return list(read_record(str(definition), environment).get("keys", []))

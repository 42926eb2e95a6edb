"""Which packages share a layer, and in which order the layers lie: what changes should move little. Pure.

An engine that pulls an image keeps the layers below the first that changed and extracts all above anew. So the large
packages, each alone, lie below, and the many small ones together on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from envbuild.core.errors import PlanError
from envbuild.core.image_settings import DEFAULT_LAYERS, MOST_LAYERS
from envbuild.engines.oci.units import Unit

_WORTH_A_LAYER = 1 << 20

U = TypeVar("U", bound=Unit)


def arrange(
    units: Sequence[U], layers: int = DEFAULT_LAYERS, previous: Sequence[Sequence[str]] = ()
) -> tuple[tuple[U, ...], ...]:
    """Return the packages of each layer, bottom first.

    With `previous`, the names in each layer of an earlier image, its layers stay where they were; what is new comes on top.

    Raises:
        PlanError: `layers` is not from 1 to 100.
    """
    if not 1 <= layers <= MOST_LAYERS:
        raise PlanError(f"{layers} layers of packages are not possible: from 1 to {MOST_LAYERS} are")
    if previous:
        kept = _appended(units, previous)
        if len(kept) <= MOST_LAYERS:
            return kept
    ordered = sorted(units, key=lambda one: (-one.size, one.name))
    total = sum(one.size for one in units)
    alone = [one for one in ordered[: layers - 1] if one.size >= max(_WORTH_A_LAYER, total // 200)]
    rest = tuple(sorted(ordered[len(alone) :], key=lambda one: one.name))
    return (*((one,) for one in alone), *((rest,) if rest else ()))


def _appended(units: Sequence[U], previous: Sequence[Sequence[str]]) -> tuple[tuple[U, ...], ...]:
    by_name = {one.name: one for one in units}
    groups = [tuple(by_name[name] for name in names if name in by_name) for names in previous]
    known = {name for names in previous for name in names}
    new = tuple(sorted((one for one in units if one.name not in known), key=lambda one: one.name))
    return tuple(group for group in (*groups, new) if group)

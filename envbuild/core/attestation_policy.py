"""Which distributions must be attested by whom (PEP 740): what a definition and a person say about it."""

from __future__ import annotations

import re

OFF, VERIFY, REQUIRE = "off", "verify", "require"
EVERY = "*"
"""Stands for every distribution that has no wish of its own."""

Policy = tuple[tuple[str, str], ...]
"""Pairs of a normalised name (or `*`) and a wish: `off`, `verify` (where the index offers attestations), `require`, or a publisher."""

_PUBLISHER = re.compile(r"(?:github|gitlab):[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+|google:[^\s@]+@[^\s@]+")
ACCEPTED = "off, verify, require, or a publisher: github:OWNER/REPOSITORY, gitlab:GROUP/PROJECT, google:EMAIL"


def is_wish(text: str) -> bool:
    """Tell whether `text` is a wish."""
    return text in (OFF, VERIFY, REQUIRE) or _PUBLISHER.fullmatch(text) is not None


def stricter(policy: Policy, wish: str) -> Policy:
    """Return `policy` where every distribution without a wish of its own has at least `wish` (or an empty one, which changes nothing)."""
    order = (OFF, VERIFY, REQUIRE)
    given = dict(policy)
    general = given.get(EVERY, OFF)
    if wish and (general not in order or order.index(wish) > order.index(general)):
        given[EVERY] = wish
    return tuple(given.items())


def wish_for(policy: Policy, name: str) -> str:
    """Return what is wished for the distribution `name` (normalised)."""
    given = dict(policy)
    return given.get(name, given.get(EVERY, OFF))


def is_any(policy: Policy) -> bool:
    """Tell whether anything is to be verified."""
    return any(wish != OFF for _, wish in policy)

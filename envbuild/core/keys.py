"""Hashes over values: one canonical text, one chain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping


def canonical(value: object) -> bytes:
    """Return the one JSON text of `value`: keys sorted, sequences in their order, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def chain(contents: Iterable[Mapping[str, object]]) -> list[str]:
    """Return one key for each content: `key[i] = sha256(key[i-1] + canonical(content[i]))`, `key[-1]` being empty.

    A key covers all that came before it, so any change of order changes every key from there on.
    """
    keys: list[str] = []
    previous = ""
    for content in contents:
        previous = sha256(previous.encode() + canonical(content))
        keys.append(previous)
    return keys

"""Changing usual inputs at random: bytes, pieces, repeats, parts of another one; and, where it is a document, its values."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.fuzz.reshape import reshaped


def mutated(seeds: Sequence[bytes], words: Sequence[bytes], chance: random.Random, *, longest: int = 30_000) -> bytes:
    """Return one of `seeds` after one to eight changes."""
    seed = chance.choice(seeds)
    if chance.random() < 0.4 and (other := reshaped(seed, chance)) is not None:
        if chance.random() < 0.8:
            return other[:longest]
        seed = other
    data = bytearray(seed)
    for _ in range(chance.randint(1, 8)):
        _change(data, seeds, words, chance)
    return bytes(data[:longest])


def _change(data: bytearray, seeds: Sequence[bytes], words: Sequence[bytes], chance: random.Random) -> None:
    at = chance.randint(0, len(data))
    end = min(len(data), at + chance.choice((1, 1, 2, 4, 8, 32, 128)))
    kind = chance.randrange(8)
    if kind == 0 and at < len(data):
        data[at] = chance.randrange(256)
    elif kind == 1:
        del data[at:end]
    elif kind == 2:
        data[at:at] = chance.choice(words)
    elif kind == 3:
        data[at:end] = chance.choice(words)
    elif kind == 4:
        data[at:at] = data[at:end] * chance.choice((1, 2, 10, 100))
    elif kind == 5:
        other = chance.choice(seeds)
        start = chance.randint(0, len(other))
        data[at:end] = other[start : start + chance.choice((4, 16, 64, 256))]
    elif kind == 6 and at < len(data):
        data[at] ^= 1 << chance.randrange(8)
    else:
        data[at:at] = chance.choice(words) * chance.choice((1, 3, 50, 500))

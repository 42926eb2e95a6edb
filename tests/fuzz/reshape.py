"""Changing what a document says instead of its bytes: it stays JSON, YAML or TOML, but its values are of other kinds."""

from __future__ import annotations

import copy
import functools
import json
import random
import sys
from collections.abc import Callable
from typing import Any

import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        2**64,
        1.5,
        float("inf"),
        "",
        " ",
        "x",
        "\0",
        "../x",
        "${X}",
        "\ud7ff",
        "[",
        "//[",
        "é" * 99,
    ),
    *([], {}, [[]], [{}], [None], [1], {"": None}, {"x": {}}, ["x"] * 50),
)
Document = tuple[Any, Callable[[Any], bytes]]


@functools.cache
def document_of(seed: bytes) -> Document | None:
    """Return what `seed` says and how to write it again; None where it is no such document."""
    text = seed.decode("utf-8", "replace")
    for read, write in ((json.loads, _json), (tomllib.loads, _toml), (yaml.safe_load, _json)):
        try:
            found = read(text)
        except (ValueError, yaml.YAMLError):
            continue
        if isinstance(found, (dict, list)):
            return found, write
    return None


def reshaped(seed: bytes, chance: random.Random) -> bytes | None:
    """Return `seed` with one to three of its values replaced, dropped, or put where others were; None where it is no document."""
    known = document_of(seed)
    if known is None:
        return None
    document, write = copy.deepcopy(known[0]), known[1]
    for _ in range(chance.randint(1, 3)):
        places = list(_places(document))
        if places:
            holder, key = chance.choice(places)
            _replace(holder, key, places, chance)
    return write(document)


def _places(value: Any) -> list[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((value, key), *_places(value[key]))]


def _replace(holder: Any, key: Any, places: list[tuple[Any, Any]], chance: random.Random) -> None:
    kind = chance.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        other, at = chance.choice(places)
        holder[key] = copy.deepcopy(other[at])
    elif kind == 2 and isinstance(holder, dict):
        holder[chance.choice(("", "x", "\0", "name", "url", "..", str(chance.choice(ODD))[:20]))] = holder.pop(key)
    else:
        holder[key] = copy.deepcopy(chance.choice(ODD))


def _json(document: Any) -> bytes:
    return json.dumps(document, default=str).encode()


def _toml(document: Any) -> bytes:
    """Write with `[[name]]` for lists of tables at the top, as some readers look for them."""
    plain, tables = [], []
    for key, value in document.items():
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            tables += [f"[[{json.dumps(key)}]]" if not key.isalnum() else f"[[{key}]]" + _lines(one) for one in value]
        elif isinstance(value, dict):
            tables.append((f"[{key}]" if key.isalnum() else f"[{_value(key)}]") + _lines(value))
        else:
            plain.append(f"{_value(key)} = {_value(value)}")
    return "\n".join([*plain, *tables, ""]).encode("utf-8", "replace")


def _lines(table: dict[str, Any]) -> str:
    return "".join(f"\n{_value(key)} = {_value(value)}" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_value(key)} = {_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, (bool, str)) or value is None:
        return json.dumps(value if value is not None else "").replace("\x7f", "\\u007f")
    return "inf" if value == float("inf") else str(value)

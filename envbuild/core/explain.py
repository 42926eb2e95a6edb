"""Why a plan's layers differ from those of an earlier build: which part of which layer, and the lines that asked for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envbuild.core.definition import Definition, Origin
from envbuild.core.plan import Layer, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One layer held against the earlier build. `same` says that its key did not change.

    Where it changed, `reasons` name what did; none means that only a layer below it changed, which changes every key above.
    """

    kind: str
    key: str
    same: bool
    reasons: tuple[str, ...] = ()


def explain(plan: Plan, before: Sequence[Mapping[str, Any]]) -> tuple[Explained, ...]:
    """Return each layer of `plan` held against `before`, the layers of an earlier build as `layer_record` gives them."""
    earlier = {str(one["kind"]): one for one in before}
    explained = [_layer(layer, earlier.pop(layer.kind, None), plan.definition) for layer in plan.layers]
    gone = [Explained(kind=kind, key="", same=False, reasons=("is no longer there",)) for kind in earlier]
    return (*explained, *gone)


def layer_record(layer: Layer) -> dict[str, Any]:
    """Return what is kept of a layer for a later `explain`."""
    return {"kind": layer.kind, "key": layer.key, "title": layer.title, "content": dict(layer.content)}


def _layer(layer: Layer, before: Mapping[str, Any] | None, definition: Definition) -> Explained:
    if before is None:
        return Explained(kind=layer.kind, key=layer.key, same=False, reasons=("is new",))
    same = before["key"] == layer.key
    reasons = () if same else tuple(_reasons(before.get("content", {}), layer.content, definition))
    return Explained(kind=layer.kind, key=layer.key, same=same, reasons=reasons)


def _reasons(old: Mapping[str, Any], new: Mapping[str, Any], definition: Definition) -> Iterator[str]:
    for name in dict.fromkeys([*old, *new]):
        before, after = _plain(old.get(name)), _plain(new.get(name))
        if before == after:
            continue
        if name == "packages":
            yield from _packages(before or [], after or [], definition)
        elif name in ("requested", "channels"):
            yield from _ordered(name, before or [], after or [], definition)
        elif name in ("files", "variables", "labels", "code"):
            yield from _named(name, before or [], after or [])
        else:
            yield f"{name}: {before!r} → {after!r}"


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _packages(old: list[Any], new: list[Any], definition: Definition) -> Iterator[str]:
    before, after = _by_name(old), _by_name(new)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            where = _lines(definition, name.lower())
            yield f"{name}: {before.get(name, 'not there')} → {after.get(name, 'not there')}{where}"


def _by_name(packages: list[Any]) -> dict[str, str]:
    """A pip package is [name, version, file, hash], a conda one [subdir, file, hash], an apt one a text."""
    found: dict[str, str] = {}
    for one in packages:
        if isinstance(one, str):
            found[one.partition("=")[0]] = one
        elif len(one) == 3:
            found[str(one[1]).rsplit("-", 2)[0]] = str(one[1])
        else:
            found[str(one[0])] = f"{one[1]} ({one[2]})"
    return found


def _ordered(name: str, old: list[Any], new: list[Any], definition: Definition) -> Iterator[str]:
    for one in [one for one in new if one not in old]:
        yield f"{name}: {one} is new{_lines(definition, one)}"
    for one in [one for one in old if one not in new]:
        yield f"{name}: {one} is no longer asked for"
    if sorted(old) == sorted(new):
        yield f"{name}: another order: {', '.join(new)} instead of {', '.join(old)}"


def _named(name: str, old: list[Any], new: list[Any]) -> Iterator[str]:
    before, after = {one[0]: one[1:] for one in old}, {one[0]: one[1:] for one in new}
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            yield f"{name}: {key} is gone"
        elif key not in before:
            yield f"{name}: {key} is new"
        elif before[key] != after[key]:
            yield f"{name}: {key} changed"


def _lines(definition: Definition, name: str) -> str:
    origins: list[Origin] = [one.origin for one in definition.conda if one.name == name]
    origins += [one.origin for one in definition.pip if one.name == name]
    apt = zip(definition.apt, definition.apt_origins, strict=False)
    origins += [origin for one, origin in apt if one.partition("=")[0] == name]
    places = ", ".join(str(origin) for origin in origins if origin.file)
    return f" ({places})" if places else ""

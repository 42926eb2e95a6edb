"""One tree for YAML, TOML and JSON: every value knows where it stands and how it was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from envbuild.core.names import is_one_line
from envbuild.read.findings import Findings, Origin

Scalar = str | bool | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value of a definition's file.

    `value` is a scalar, a dict of nodes or a list of nodes; `source` is the scalar's text as it was written, so that
    `3.10` is not `3.1`.
    """

    value: Scalar | dict[str, Node] | list[Node]
    source: str = ""
    origin: Origin = field(default=Origin(), compare=False)

    @property
    def kind(self) -> str:
        """What a person calls such a value."""
        return _KINDS.get(type(self.value), "value")

    @property
    def is_map(self) -> bool:
        return isinstance(self.value, dict)

    def items(self) -> Iterable[tuple[str, Node]]:
        """Return the entries of a map; of anything else none."""
        return self.value.items() if isinstance(self.value, dict) else ()

    def has(self, key: str) -> bool:
        """Tell whether a map has `key`, with or without a value."""
        return isinstance(self.value, dict) and key in self.value

    def keys(self) -> tuple[str, ...]:
        """Return the keys of a map; of anything else none."""
        return tuple(self.value) if isinstance(self.value, dict) else ()

    def get(self, *path: str) -> Node:
        """Return what stands under the keys of `path`; an empty node at the map's own place where there is nothing."""
        node = self
        for key in path:
            inner = node.value.get(key) if isinstance(node.value, dict) else None
            if inner is None:
                return Node(value=None, origin=node.origin)
            node = inner
        return node

    def __iter__(self) -> Iterator[Node]:
        return iter(self.value if isinstance(self.value, list) else ())

    def __bool__(self) -> bool:
        return self.value not in (None, {}, [], "")


_KINDS = {
    dict: "map",
    list: "list",
    str: "text",
    bool: "true or false",
    int: "number",
    float: "number",
    type(None): "nothing",
}

EMPTY = Node(value=None)


def text(node: Node, findings: Findings, what: str = "text") -> str:
    """Return a scalar as it was written; an empty text for nothing; other kinds are a problem."""
    if node.value is None:
        return ""
    if isinstance(node.value, dict | list):
        findings.refuse(node.origin, f"is a {node.kind}; {what} is needed")
        return ""
    return node.value if isinstance(node.value, str) else node.source


def line(node: Node, findings: Findings, what: str = "text") -> str:
    """Return a scalar as it was written, without spaces around it; a line break or another control character is a problem."""
    written = text(node, findings, what).strip()
    if not is_one_line(written):
        findings.refuse(node.origin, "holds a line break or another control character")
        return ""
    return written


def strict_text(node: Node, findings: Findings, what: str = "text") -> str:
    """Return a text; a number, which has lost how it was written elsewhere, is a problem too."""
    if node.value is None or isinstance(node.value, str):
        return node.value or ""
    findings.refuse(
        node.origin, f"is a {node.kind}; {what} is needed", "put it in quotation marks" if node.source else ""
    )
    return ""


def flag(node: Node, findings: Findings) -> bool:
    """Return true or false; nothing is false; other kinds are a problem."""
    if node.value is not None and not isinstance(node.value, bool):
        findings.refuse(node.origin, f"is {node.source or 'a ' + node.kind!r}; true or false is needed")
    return node.value is True


def many(node: Node, findings: Findings, what: str = "texts") -> tuple[Node, ...]:
    """Return the entries of a list; nothing is an empty one; other kinds are a problem."""
    if node.value is not None and not isinstance(node.value, list):
        findings.refuse(node.origin, f"is a {node.kind}; a list of {what} is needed")
        return ()
    return tuple(node)


def texts(node: Node, findings: Findings, what: str = "texts") -> tuple[str, ...]:
    """Return a list of scalars as they were written; empty entries are left out."""
    return tuple(found for entry in many(node, findings, what) if (found := text(entry, findings)))


def table(node: Node, findings: Findings) -> tuple[tuple[str, Node], ...]:
    """Return the entries of a map; nothing is an empty one; other kinds are a problem."""
    if node.value is not None and not isinstance(node.value, dict):
        findings.refuse(node.origin, f"is a {node.kind}; a map is needed")
    return tuple(node.items())


def only_keys(node: Node, accepted: Iterable[str], findings: Findings, *, what: str) -> None:
    """Refuse every key of `node` that is not `accepted`, with the accepted key that is nearest."""
    known = tuple(accepted)
    for key, value in node.items():
        if key not in known:
            import difflib

            near = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
            hint = f"did you mean {near[0]!r}?" if near else f"accepted: {', '.join(known)}"
            findings.refuse(value.origin, f"{key!r} is not a key of {what}", hint)


def from_data(data: object, file: str, key: str = "", lines: Mapping[str, int] | None = None) -> Node:
    """Return the tree of plain data (from TOML or JSON); only texts have a line, and only those that `lines` knows.

    Numbers are expected as `Number`, which keeps their text.
    """
    known = lines or {}
    line = known.get(data) if isinstance(data, str) and not isinstance(data, Number) else None
    origin = Origin(file=file, key=key, line=line)
    if isinstance(data, dict):
        inner = {str(name): from_data(value, file, _join(key, str(name)), known) for name, value in data.items()}
        return Node(value=inner, origin=origin)
    if isinstance(data, list):
        return Node(value=[from_data(one, file, f"{key}[{at}]", known) for at, one in enumerate(data)], origin=origin)
    if isinstance(data, Number):
        return Node(value=float(data), source=str(data), origin=origin)
    if data is None or isinstance(data, str | bool | int | float):
        return Node(value=data, source="" if data is None else str(data), origin=origin)
    return Node(value=str(data), source=str(data), origin=origin)


class Number(str):
    """A floating point number as it was written: what `parse_float` of the TOML and JSON readers is given."""

    __slots__ = ()


def _join(key: str, name: str) -> str:
    part = name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'
    return f"{key}.{part}" if key else part

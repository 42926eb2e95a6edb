"""YAML to nodes, with lines and source texts; bounded, so that a small file cannot become a large tree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from envbuild.core.errors import DefinitionError, Problem
from envbuild.read.findings import Findings, Origin, fatal
from envbuild.read.nodes import Node, Scalar
from envbuild.read.template import find_template, template_error
from envbuild.read.text import decode, mend

_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MOST_NODES = 200_000
DEEPEST = 60
MOST_BRACKETS = 500

_LONG_INDENT = re.compile(r"^[ \t?-]{200}", re.MULTILINE)
_NULL, _BOOL = "tag:yaml.org,2002:null", "tag:yaml.org,2002:bool"
_NUMBERS = {"tag:yaml.org,2002:int": int, "tag:yaml.org,2002:float": float}
_STANDARD = tuple(
    f"tag:yaml.org,2002:{name}"
    for name in ("map", "seq", "str", "null", "bool", "int", "float", "timestamp", "merge", "value")
)
_MERGE = "tag:yaml.org,2002:merge"


def read_yaml(path: Path, findings: Findings) -> Node:
    """Return the tree of the YAML file `path`, see `parse_yaml`.

    Raises:
        DefinitionError: it cannot be read, is no text, or is not one YAML document.
    """
    file = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DefinitionError(Problem(message=f"cannot be read: {error.strerror or error}", file=file)) from error
    return parse_yaml(mend(decode(content, file), file, findings), file, findings)


def parse_yaml(text: str, file: str, findings: Findings) -> Node:
    """Return the tree of the one YAML document in `text`.

    A key that stands twice in a map is a problem; so is a tree of more than `MOST_NODES` values.

    Raises:
        DefinitionError: `text` is not YAML, is a template that has yet to be rendered, or holds several documents.
    """
    try:
        _check_depth(text, file)
        documents = list(yaml.compose_all(text, Loader=_LOADER))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _not_yaml(error, text, file) from error
    filled: list[yaml.Node] = [one for one in documents if one.value != ""]
    if len(filled) > 1:
        line = filled[1].start_mark.line + 1
        hint = "write each into a file of its own"
        raise fatal("holds several YAML documents; one is accepted", file=file, line=line, hint=hint)
    if not filled:
        return Node(value=None, origin=Origin(file=file))
    return _Builder(file=file, text=text, findings=findings).build(filled[0])


def _check_depth(text: str, file: str) -> None:
    """Refuse deep nesting before it is composed: the C composer recurses without a limit, and would crash the process."""
    if text.count("[") + text.count("{") < MOST_BRACKETS and not _LONG_INDENT.search(text):
        return
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise _beyond(file, event.start_mark.line + 1 if event.start_mark else None)


def _beyond(file: str, line: int | None) -> DefinitionError:
    message = "repeats itself through anchors and aliases, or is nested, beyond any definition"
    return fatal(message, file=file, line=line, hint="write the values out")


def _not_yaml(error: Exception, text: str, file: str) -> DefinitionError:
    if (found := find_template(text)) is not None:
        return template_error(found[1], file, found[0])
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or str(error).splitlines()[0]
    line: int | None = mark.line + 1 if mark is not None else None
    written = text.splitlines()[line - 1 : line] if line is not None else []
    tab = any("\t" in one for one in written)
    hint = (
        "indent with spaces; YAML allows no tabs"
        if tab
        else "each entry of a list begins with `- `, each key ends with `: `"
    )
    return fatal(f"is not YAML: {reason}", file=file, line=line, hint=hint)


@dataclass(slots=True, kw_only=True)
class _Builder:
    file: str
    text: str
    findings: Findings
    built: int = 0

    def build(self, node: yaml.Node, key: str = "", depth: int = 0) -> Node:
        self.built += 1
        origin = Origin(file=self.file, line=node.start_mark.line + 1, key=key)
        if self.built > MOST_NODES or depth > DEEPEST:
            raise _beyond(self.file, origin.line)
        if node.tag not in _STANDARD:
            self.findings.refuse(origin, f"has the tag {node.tag}, which means nothing here", "remove it")
        if isinstance(node, yaml.MappingNode):
            return Node(value=self._map(node, key, depth), origin=origin)
        if isinstance(node, yaml.SequenceNode):
            entries = [self.build(one, f"{key}[{at}]", depth + 1) for at, one in enumerate(node.value)]
            return Node(value=entries, origin=origin)
        return Node(value=_scalar(node.tag, str(node.value)), source=str(node.value), origin=origin)

    def _map(self, node: yaml.MappingNode, key: str, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for name_node, value_node in node.value:
            name = name_node.value if isinstance(name_node, yaml.ScalarNode) else None
            line = name_node.start_mark.line + 1
            if name is None and (template := find_template(self.text)) is not None:
                # `image: {{ name }}` is a map with a map as its key
                raise template_error(template[1], self.file, template[0])
            if name is None:
                self.findings.refuse(
                    Origin(file=self.file, line=line, key=key),
                    "has a key that is not a text",
                    "put it in quotation marks",
                )
                continue
            path = f"{key}.{name}" if key else name
            value = self.build(value_node, path, depth + 1)
            if name_node.tag == _MERGE:
                for part in value if isinstance(value.value, list) else (value,):
                    merged = {**dict(part.items()), **merged}
                continue
            if name in entries:
                self.findings.refuse(
                    Origin(file=self.file, line=line, key=path),
                    "stands here a second time in the same map",
                    "write it once",
                )
            # an empty value stands at the end of its line, or on the next one: the key's place is the better one
            entries[name] = value if value.origin.line == line else _at(value, line)
        return {**merged, **entries}


def _scalar(tag: str, written: str) -> Scalar:
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return written.lower() in ("true", "yes", "on")
    return _number(written, _NUMBERS[tag]) if tag in _NUMBERS else written


def _number(written: str, kind: type[int | float]) -> int | float | str:
    if len(written) > 40:
        return written
    try:
        return kind(written.replace("_", ""))
    except ValueError:
        # YAML 1.1's base 60, `.inf`, hexadecimal: as written is the best that can be said
        return written


def _at(node: Node, line: int) -> Node:
    if isinstance(node.value, dict | list):
        return Node(
            value=node.value, source=node.source, origin=Origin(file=node.origin.file, line=line, key=node.origin.key)
        )
    return node

"""Who depends on whom in a lock, on one platform: installation order, `why`, `tree`."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from envbuild.core.lock import CondaPackage, Lock, PipPackage
from envbuild.core.names import normalize
from envbuild.core.selection import applicable

_SPEC = re.compile(r"([^\s\[<>=!~,]+)\s*(.*)")


# real chains are some twenty packages long; a longer one is somebody's attempt at the recursion limit
_DEPTH = 100


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Node:
    """One package on one platform."""

    name: str
    manager: Literal["conda", "pip"]
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One package on the way down, and what the one before it asks of it (a MatchSpec's rest; empty where nothing)."""

    node: Node
    asks: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One package with what it depends on. `repeated` says that its branches stand where it came up first."""

    node: Node
    asks: str = ""
    repeated: bool = False
    branches: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """The packages of one platform and their dependencies that are in the lock, with what is asked of each."""

    edges: Mapping[Node, Mapping[Node, str]]

    def roots(self, requested: Collection[str] = ()) -> tuple[Node, ...]:
        """Return the packages named in `requested` (any spelling), else those that no other package depends on.

        Packages that are reached from neither (a cycle by itself) are roots too, the first of each by name.
        """
        wanted = {normalize(name) for name in requested}
        depended = {node for targets in self.edges.values() for node in targets}
        found = [
            node for node in sorted(self.edges) if (normalize(node.name) in wanted if wanted else node not in depended)
        ]
        return (*found, *self._unreached(found))

    def _unreached(self, roots: Iterable[Node]) -> Iterator[Node]:
        seen: set[Node] = set()
        for root in roots:
            self._visit(root, seen)
        for node in sorted(self.edges):
            if node not in seen:
                self._visit(node, seen)
                yield node

    def _visit(self, start: Node, seen: set[Node]) -> None:
        waiting = [start]
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting.extend(self.edges[node])


def graph(lock: Lock, platform: str) -> Graph:
    """Return the dependencies between the packages that `platform` (a conda subdir) installs.

    What a pip package asks for may come from conda, under the same name.
    """
    conda = [one for one in lock.conda if one.platform == platform]
    pip = applicable(lock, platform)
    nodes: dict[str, Node] = {}
    for package in pip:
        nodes[normalize(package.name)] = _pip_node(package)
    by_conda = {one.name: _conda_node(one) for one in conda}
    for name, node in by_conda.items():
        nodes.setdefault(normalize(name), node)
    edges: dict[Node, dict[Node, str]] = {node: {} for node in (*by_conda.values(), *map(_pip_node, pip))}
    for one in conda:
        edges[_conda_node(one)] = {by_conda[name]: rest for name, rest in _specs(one) if name in by_conda}
    for package in pip:
        edges[_pip_node(package)] = {nodes[name]: "" for name in package.dependencies if name in nodes}
    return Graph(edges)


def _conda_node(one: CondaPackage) -> Node:
    return Node(name=one.name, manager="conda", version=one.version)


def _pip_node(one: PipPackage) -> Node:
    return Node(name=one.name, manager="pip", version=one.version)


def _specs(one: CondaPackage) -> Iterator[tuple[str, str]]:
    for spec in one.depends:
        found = _SPEC.fullmatch(spec)
        if found:
            yield found[1].lower(), found[2]


def why(lock: Lock, name: str, platform: str, requested: Collection[str] = ()) -> tuple[tuple[Step, ...], ...]:
    """Return for each root that needs `name` the shortest way from it, root first; empty where `name` is not there.

    `requested` are the names that the definition asks for; without them the roots are what nothing depends on.
    """
    whole = graph(lock, platform)
    wanted = normalize(name)
    targets = {node for node in whole.edges if normalize(node.name) == wanted}
    ways = [_shortest(whole, root, targets) for root in whole.roots(requested)]
    return tuple(way for way in ways if way)


def _shortest(whole: Graph, root: Node, targets: set[Node]) -> tuple[Step, ...]:
    before: dict[Node, tuple[Node, str] | None] = {root: None}
    waiting = deque([root])
    while waiting:
        node = waiting.popleft()
        if node in targets:
            return _way(before, node)
        for target, asks in sorted(whole.edges[node].items()):
            if target not in before:
                before[target] = (node, asks)
                waiting.append(target)
    return ()


def _way(before: Mapping[Node, tuple[Node, str] | None], end: Node) -> tuple[Step, ...]:
    steps: list[Step] = []
    node: Node | None = end
    while node is not None:
        link = before[node]
        steps.append(Step(node=node, asks=link[1] if link else ""))
        node = link[0] if link else None
    return tuple(reversed(steps))


def tree(lock: Lock, platform: str, requested: Collection[str] = ()) -> tuple[Branch, ...]:
    """Return all packages of `platform` as trees, one for each root (see `why`); a package is unfolded once, and none below depth 100."""
    whole = graph(lock, platform)
    seen: set[Node] = set()
    return tuple(_branch(whole, root, "", seen) for root in whole.roots(requested))


def _branch(whole: Graph, node: Node, asks: str, seen: set[Node], depth: int = 0) -> Branch:
    if node in seen or depth > _DEPTH:
        return Branch(node=node, asks=asks, repeated=bool(whole.edges[node]))
    seen.add(node)
    targets = sorted(whole.edges[node].items())
    branches = tuple(_branch(whole, target, rest, seen, depth + 1) for target, rest in targets)
    return Branch(node=node, asks=asks, branches=branches)


def installation_order(packages: Iterable[CondaPackage]) -> tuple[CondaPackage, ...]:
    """Return the packages of one platform so that each comes after what it depends on, by name where that is open.

    Only within a cycle one has to come before what it depends on.
    """
    by_name = {one.name: one for one in sorted(packages, key=lambda one: (one.name, one.url))}
    ordered: dict[str, CondaPackage] = {}
    seen: set[str] = set()
    for root in by_name:
        # depth first, and a package is ready when the walk leaves it for good; no recursion, chains can be long
        waiting = [(root, False)]
        while waiting:
            name, is_done = waiting.pop()
            if is_done:
                ordered[name] = by_name[name]
            elif name not in seen:
                seen.add(name)
                needs = sorted({need for need, _ in _specs(by_name[name]) if need in by_name}, reverse=True)
                waiting += [(name, True), *((need, False) for need in needs)]
    return tuple(ordered.values())

"""What a report tells, from a lock, its plan where the definition is known, and the lock before. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from envbuild.core.diff import LockDiff, diff_locks
from envbuild.core.graph import Branch, Graph, Node, graph, tree
from envbuild.core.lock import CondaPackage, Lock, PipPackage
from envbuild.core.names import normalize
from envbuild.core.plan import Code, Layer, Plan
from envbuild.core.selection import applicable


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One package. `size` is its archive's in bytes, None where the lock does not say; `layer` is the kind of its layer."""

    name: str
    version: str
    layer: str
    size: int | None
    license: str
    place: str
    digest: str
    needs: tuple[str, ...]
    needed_by: tuple[str, ...]
    requested: bool

    @property
    def key(self) -> tuple[str, str]:
        """Layer and name: what tells packages of one platform apart."""
        return self.layer, self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything on the page, for one platform of a lock."""

    title: str
    file: str
    platform: str
    lock: Lock
    entries: tuple[Entry, ...]
    trees: tuple[Branch, ...]
    layers: tuple[Layer, ...] = ()
    image_name: str = ""
    image_key: str = ""
    against: str = ""
    diff: LockDiff | None = None

    @property
    def licenses(self) -> dict[str, tuple[Entry, ...]]:
        """The packages under each licence, as the lock names it; an empty name where it does not."""
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            found[entry.license].append(entry)
        return {name: tuple(found[name]) for name in sorted(found, key=lambda one: (not one, one.lower()))}


def gather(
    lock: Lock,
    *,
    title: str,
    file: str,
    platform: str = "",
    requested: Collection[str] = (),
    plan: Plan | None = None,
    previous: Lock | None = None,
    against: str = "",
    licenses: Mapping[tuple[str, str], str] | None = None,
) -> Report:
    """Return the report of `lock` for `platform` (its first where empty).

    `requested` are the names that the definition asks for; `previous` is the lock to compare with, called `against`.
    `licenses` are those of pip's packages, by name and version.
    """
    chosen = platform or lock.platforms[0]
    whole = graph(lock, chosen)
    asked = {normalize(name) for name in requested}
    conda = [_conda(one, whole, asked) for one in lock.conda if one.platform == chosen]
    pip = [_pip(one, whole, asked, plan, licenses or {}) for one in applicable(lock, chosen)]
    code = [_code(one) for one in plan.chosen_code] if plan else []
    return Report(
        title=title,
        file=file,
        platform=chosen,
        lock=lock,
        entries=tuple(sorted([*conda, *pip, *code], key=lambda one: (one.name.lower(), one.layer))),
        trees=tree(lock, chosen, requested),
        layers=plan.layers if plan else (),
        image_name=plan.image_name if plan else "",
        image_key=plan.image_key if plan else "",
        against=against,
        diff=diff_locks(previous, lock) if previous is not None else None,
    )


def _conda(one: CondaPackage, whole: Graph, asked: set[str]) -> Entry:
    node = Node(name=one.name, manager="conda", version=one.version)
    return Entry(
        name=one.name,
        version=f"{one.version} {one.build}".strip(),
        layer="conda",
        size=one.size,
        license=one.license,
        place=one.url,
        digest=one.sha256 or one.md5,
        needs=_needs(whole, node),
        needed_by=_needed_by(whole, node),
        requested=normalize(one.name) in asked,
    )


def _code(one: Code) -> Entry:
    [wheel] = one.package.wheels
    return Entry(
        name=one.package.name,
        version=one.package.version,
        layer="code",
        size=wheel.size,
        license=one.license,
        place=one.folder.path,
        digest=wheel.sha256,
        needs=(),
        needed_by=(),
        requested=True,
    )


def _pip(
    one: PipPackage, whole: Graph, asked: set[str], plan: Plan | None, licenses: Mapping[tuple[str, str], str]
) -> Entry:
    node = Node(name=one.name, manager="pip", version=one.version)
    chosen = next((file.file for file in plan.selection.pip if file.package == one), None) if plan else None
    file = chosen or next(one.files, None)
    place = (file.url or file.path) if file else one.vcs.url if one.vcs else one.directory
    return Entry(
        name=one.name,
        version=one.version,
        layer="pip",
        size=file.size if file else None,
        license=licenses.get((one.name, one.version), ""),
        place=place,
        digest=file.sha256 if file else one.vcs.commit if one.vcs else "",
        needs=_needs(whole, node),
        needed_by=_needed_by(whole, node),
        requested=normalize(one.name) in asked,
    )


def _needs(whole: Graph, node: Node) -> tuple[str, ...]:
    return tuple(sorted({one.name for one in whole.edges.get(node, {})}))


def _needed_by(whole: Graph, node: Node) -> tuple[str, ...]:
    return tuple(sorted({one.name for one, targets in whole.edges.items() if node in targets}))

"""Folders of source code among the requirements: what they need is locked; their code is nothing that a lock can pin."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from envbuild.core.definition import CodeFolder, Definition, IndexPin, PipRequirement
from envbuild.core.errors import DefinitionError
from envbuild.core.names import normalize
from envbuild.read.findings import Findings
from envbuild.read.nodes import Node, text, texts
from envbuild.read.own_code import with_folder
from envbuild.read.pyproject import parse_own_project
from envbuild.read.setup_cfg import parse_setup_cfg
from envbuild.read.sources import Files, beside
from envbuild.read.text import decode
from envbuild.read.toml_nodes import parse_toml
from envbuild.read.uv_table import WORKSPACE

_MOST_MEMBERS = 1000
_MOST_PARENTS = 12
_FILES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar")
_WITHOUT = "`image --no-code` leaves its code out"


def with_folders(found: Definition, files: Files) -> Definition:
    """Return `found` with what each folder among its requirements needs in the place of the folder, and a note for each.

    The folder itself is code of the definition's. One whose needs only its build code knows stays as it is.

    Raises:
        DefinitionError: a package of the uv workspace is not there.
    """
    reader = _Folders(files=files, code=found.code)
    reader.add(found.pip)
    pins = tuple(dict.fromkeys((*found.index.pins, *reader.pins)))
    notes = (*found.notes, *reader.findings.close())
    index = replace(found.index, pins=pins)
    return replace(found, pip=tuple(reader.requirements), index=index, code=reader.code, notes=notes)


@dataclass(slots=True, kw_only=True)
class _Folders:
    files: Files
    code: tuple[CodeFolder, ...]
    requirements: list[PipRequirement] = field(default_factory=list)
    pins: list[IndexPin] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    read: set[tuple[str, tuple[str, ...], str]] = field(default_factory=set)

    def add(self, requirements: Iterable[PipRequirement]) -> None:
        for one in requirements:
            if one.target.startswith(WORKSPACE):
                if place := self._member(one):
                    self._folder(replace(one, target=place, text=place), place)
            elif one.kind in ("path", "editable", "url") and (place := _local(one.target)):
                self._folder(one, place)
            elif one not in self.requirements:
                self.requirements.append(one)

    def _folder(self, one: PipRequirement, place: str) -> None:
        key = (place, one.extras, one.marker)
        if key in self.read:
            return
        inner = self._needs(place, one.extras) if self.files.is_folder(place) else None
        if inner is None:
            self.requirements.append(one)
            return
        self.read.add(key)
        self.findings.note(
            one.origin,
            f"`{one.text}` is a folder of source code: what it needs is locked, its code is built when an image is",
            _WITHOUT,
        )
        said = next((own.left_out for own in inner.code), "")
        self.code = with_folder(self.code, CodeFolder(path=place, marker=one.marker, left_out=said, origin=one.origin))
        self.pins += inner.index.pins
        self.add(_within(need, place, one.marker) for need in inner.pip)

    def _needs(self, place: str, extras: tuple[str, ...]) -> Definition | None:
        """Return what the folder at `place` says that it needs; None where nothing static says it."""
        for name in ("pyproject.toml", "setup.cfg"):
            path = PurePosixPath(place, name).as_posix()
            if not self.files.has(path):
                continue
            try:
                content = decode(self.files(path), path)
                if name == "setup.cfg":
                    return parse_setup_cfg(content, path, self.files)
                if (found := parse_own_project(content, path, self.files, extras)) is not None:
                    return found
            except DefinitionError:
                return None
        return None

    def _member(self, one: PipRequirement) -> str:
        """Return the folder of the uv workspace that holds the package of `one`; empty after a problem was recorded."""
        name = one.target.removeprefix(WORKSPACE)
        for folder, node in self._workspace(PurePosixPath(one.origin.file).parent):
            if normalize(text(node.get("project", "name"), self.findings)) == normalize(name):
                return folder
        self.findings.refuse(
            one.origin, f"{name} comes from the uv workspace, which has no such member", "name its path"
        )
        return ""

    def _workspace(self, start: PurePosixPath) -> Iterator[tuple[str, Node]]:
        """Yield the folder and the manifest of each member of the workspace that `start` belongs to, its root first."""
        for folder in _upwards(start):
            path = PurePosixPath(folder, "pyproject.toml").as_posix()
            if not self.files.has(path):
                continue
            root = parse_toml(decode(self.files.peek(path), path), path)
            workspace = root.get("tool", "uv", "workspace")
            if workspace.is_map:
                yield folder, root
                yield from self._members(folder, workspace)
                return

    def _members(self, folder: str, workspace: Node) -> Iterator[tuple[str, Node]]:
        left_out = {
            one for glob in texts(workspace.get("exclude"), self.findings) for one in self.files.folders(folder, glob)
        }
        for glob in texts(workspace.get("members"), self.findings):
            for member in self.files.folders(folder, glob)[:_MOST_MEMBERS]:
                path = f"{member}/pyproject.toml"
                if member not in left_out and self.files.has(path):
                    yield member, parse_toml(decode(self.files.peek(path), path), path)


def _local(target: str) -> str:
    """Return the path that `target` (a path or a `file:` URL) means, relative to the definition where it is; else nothing."""
    place = target.partition("#")[0]
    if place.startswith("file:"):
        place = unquote(urlsplit(place).path)
    return "" if "://" in place or place.endswith(_FILES) else PurePosixPath(os.path.normpath(place)).as_posix()


def _within(need: PipRequirement, folder: str, marker: str) -> PipRequirement:
    """Return what the project in `folder` needs as the definition would say it: paths from there, and only under `marker`."""
    if need.kind in ("path", "editable") and not need.target.startswith(WORKSPACE) and _local(need.target):
        target = beside(f"{folder}/pyproject.toml", _local(need.target))
        need = replace(need, target=target, text=target)
    if not marker:
        return need
    both = f"({need.marker}) and ({marker})" if need.marker else marker
    head = need.text.removesuffix(need.marker).rstrip("; ")
    return replace(need, marker=both, text=f"{head}{'' if need.kind == 'name' else ' '}; {both}")


def _upwards(start: PurePosixPath) -> Iterator[str]:
    """Yield `start` and the folders above it, nearest first."""
    folder = start.as_posix()
    for _ in range(_MOST_PARENTS):
        yield folder
        folder = PurePosixPath(os.path.normpath(f"{folder}/..")).as_posix()

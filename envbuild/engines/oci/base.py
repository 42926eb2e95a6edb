"""What must be known of a base before anything is laid over it: read once from its layers, never run, then remembered.

Its folders and links (what a layer must not replace), its libraries' names, its interpreters; and the files that it takes
to run one of them outside of a container.
"""

from __future__ import annotations

import io
import json
import posixpath
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO

from envbuild.core.plan import PREFIX
from envbuild.core.progress import SILENT, Progress
from envbuild.engines.oci.tar import Places
from envbuild.files import cache_root, exclusive, new_folder
from envbuild.net.images import ImageSource, ResolvedImage
from envbuild.net.layers import members, reading

Content = Callable[[], IO[bytes]]

_FORMAT = 1
_PYTHON = re.compile(r"(?:.*/)?bin/python[0-9.]*")
_LIBRARY = re.compile(r"(?:.*/)?(?:lib[^/]*|ld-[^/]*)\.so(?:\.[0-9.]+)?")
_STDLIB = re.compile(
    r"(?:.*/)?lib/python3[0-9.]*/(?!.*(?:site-packages|dist-packages|__pycache__|/tests?/|/config-)).+"
)
_NEEDED = re.compile(
    r"(?:.*/)?(?:ld-[^/]*|lib(?:c|m|dl|pthread|util|rt|z|expat|python3[^/]*|bz2|lzma|crypt|gcc_s))"
    r"(?:-[0-9.]+)?\.so(?:\.[0-9.]+)?"
)
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFacts:
    """What is in a base. Paths have no leading `/`; `root` holds its interpreters, their library and what they link to."""

    folders: frozenset[str] = field(repr=False)
    links: dict[str, str] = field(repr=False)
    libraries: frozenset[str] = field(repr=False)
    pythons: tuple[str, ...]
    prefix_used: bool
    os_release: str = field(repr=False)
    root: Path

    @property
    def places(self) -> Places:
        """Where paths of the image lie over this base."""
        return Places(self.folders, self.links)

    def real(self, path: str) -> str:
        """Return where `path` leads, all links followed, without a leading `/`."""
        for _ in range(40):
            place = self.places.place(path)
            target = self.links.get(place)
            if target is None:
                return place
            path = target if target.startswith("/") else posixpath.join(posixpath.dirname(place), target)
        return path.lstrip("/")

    def has_python(self, path: str) -> bool:
        """Tell whether there is an interpreter at `path`."""
        return self.real(path) in self.pythons


def base_facts(source: ImageSource, image: ResolvedImage, *, progress: Progress = SILENT) -> BaseFacts:
    """Return the facts of `image`: remembered, or read from its layers now.

    Raises:
        NetworkError, IntegrityError: a layer cannot be had or read.
    """
    place = cache_root() / "bases" / image.digest.replace(":", "-")
    with exclusive(place.with_name(f"{place.name}.lock")):
        found = _load(place)
        if found is None:
            with new_folder(place, overwrite=True) as folder:
                tree = _Tree(folder / "root")
                with progress.step(f"read base image {image.name}", len(image.layers)) as step:
                    for layer in image.layers:
                        with source.blob(layer) as blob:
                            _apply(tree, blob, f"{image.name}: layer {layer.digest}")
                        step.advance()
                (folder / "facts.json").write_text(json.dumps(tree.told(), sort_keys=True))
            found = _load(place)
    assert found is not None  # noqa: S101 - it was just written
    return found


def _load(place: Path) -> BaseFacts | None:
    try:
        told = json.loads((place / "facts.json").read_bytes())
        if told["format"] != _FORMAT:
            return None
        return BaseFacts(
            folders=frozenset(told["folders"]),
            links=told["links"],
            libraries=frozenset(told["libraries"]),
            pythons=tuple(told["pythons"]),
            prefix_used=told["prefix_used"],
            os_release=told["os_release"],
            root=place / "root",
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _apply(tree: _Tree, blob: BinaryIO, place: str) -> None:
    with reading(place):
        _apply_members(tree, blob, place)
    while blob.read(1 << 18):  # its digest is checked at its end
        pass
    tree.end_layer()


def _apply_members(tree: _Tree, blob: BinaryIO, place: str) -> None:
    for member, tar in members(blob, place):
        path = "/".join(part for part in member.name.split("/") if part not in ("", "."))
        folder, name = posixpath.split(path)
        if not path or ".." in path.split("/"):
            continue
        if name.startswith(_WHITEOUT):
            tree.remove(folder if name == _OPAQUE else posixpath.join(folder, name[len(_WHITEOUT) :]), name == _OPAQUE)
        elif member.isdir():
            tree.add_folder(path)
        elif member.issym():
            tree.add_link(path, member.linkname)
        elif member.islnk():
            tree.add_link(path, f"/{member.linkname.lstrip('./')}")
        elif member.isfile():
            tree.add_file(path, partial(_content, tar, member), executable=bool(member.mode & 0o111))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    return tar.extractfile(member) or io.BytesIO()


class _Tree:
    """The base's files as they are after each layer; what an interpreter needs is kept on disk below `root`.

    No link is ever made there, so that no layer can lead a write out of it; links live in memory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True)
        self._folders: set[str] = set()
        self._links: dict[str, str] = {}
        self._files: set[str] = set()
        self._hidden: list[tuple[str, bool]] = []
        self._fresh: set[str] = set()

    def add_folder(self, path: str) -> None:
        self._forget(path, folder=True)
        self._folders.add(path)
        self._fresh.add(path)

    def add_link(self, path: str, target: str) -> None:
        self._forget(path)
        self._links[path] = target
        self._fresh.add(path)

    def add_file(self, path: str, content: Content, *, executable: bool) -> None:
        path = Places(frozenset(), self._links).place(path)
        self._forget(path)
        self._fresh.add(path)
        # a layer may hold a file without entries for the folders above it
        self._folders |= {one for one in _parents(path) if one not in self._links}
        keep = _PYTHON.fullmatch(path) or _STDLIB.fullmatch(path) or _NEEDED.fullmatch(path)
        if keep or _LIBRARY.fullmatch(path) or _interesting(path):
            self._files.add(path)
        if keep or path in ("etc/os-release", "usr/lib/os-release"):
            self._write(path, content, executable=executable)

    def remove(self, path: str, content_only: bool) -> None:
        self._hidden.append((path, content_only))

    def end_layer(self) -> None:
        # a whiteout hides what lower layers had, never what its own layer has
        for path, content_only in self._hidden:
            below = f"{path}/"
            gone = [one for one in self._everything() if one.startswith(below) or (one == path and not content_only)]
            for one in gone:
                if one not in self._fresh:
                    self._forget(one)
        self._hidden, self._fresh = [], set()

    def told(self) -> dict[str, object]:
        places = Places(frozenset(self._folders), self._links)
        prefix = places.place(PREFIX)
        return {
            "format": _FORMAT,
            "folders": sorted(self._folders - {""}),
            "links": dict(sorted(self._links.items())),
            "libraries": sorted({posixpath.basename(one) for one in self._everything() if _LIBRARY.fullmatch(one)}),
            "pythons": sorted(one for one in self._files if _PYTHON.fullmatch(one)),
            "prefix_used": any(one.startswith(f"{prefix}/") for one in self._everything()) or prefix in self._files,
            "os_release": self._os_release(),
        }

    def _os_release(self) -> str:
        for name in ("etc/os-release", "usr/lib/os-release"):
            path = self._root / name
            if path.is_file() and name not in self._links:
                return path.read_text(errors="replace")
        return ""

    def _everything(self) -> Iterator[str]:
        yield from [*self._folders, *self._links, *self._files]

    def _forget(self, path: str, *, folder: bool = False) -> None:
        self._links.pop(path, None)
        if path in self._folders and not folder:
            self._folders.discard(path)
            for below in [one for one in self._everything() if one.startswith(f"{path}/")]:
                self._forget(below)
        if path in self._files:
            self._files.discard(path)
            (self._root / path).unlink(missing_ok=True)

    def _write(self, path: str, content: Content, *, executable: bool) -> None:
        target = self._root / path
        with content() as stream:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                shutil.copyfileobj(stream, file)
            target.chmod(0o755 if executable else 0o644)


def _interesting(path: str) -> bool:
    """Tell whether the path may be in the prefix, wherever the links above it lead."""
    name = posixpath.basename(PREFIX)
    return posixpath.basename(posixpath.dirname(path)) == name or posixpath.basename(path) == name


def _parents(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path

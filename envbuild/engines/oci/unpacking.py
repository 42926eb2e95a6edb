"""Unpacking an image into a folder, so that its programs can run here: layer over layer, as a container would see it.

Owners, times and devices are left out. No link is made before all files are written, so that no layer can lead a write out of the
folder; until then links live in memory.
"""

from __future__ import annotations

import posixpath
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from envbuild.engines.oci.tar import Places
from envbuild.net.layers import members, reading

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"


def unpack(layers: Iterable[BinaryIO], folder: Path, place: str) -> None:
    """Write what the blobs `layers` hold, bottom first, to the empty `folder`; `place` is what a message calls the image.

    Raises:
        IntegrityError: a layer is damaged; OSError: the disk is full.
    """
    tree = _Tree(folder)
    for layer in layers:
        with layer as blob, reading(place):
            for member, tar in members(blob, place):
                tree.add(member, tar)
        tree.end_layer()
    tree.make_links()


class _Tree:
    """The files of an image below `root`, and its links in memory; paths have no leading `/`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._links: dict[str, str] = {}
        self._fresh: set[str] = set()
        self._hidden: list[tuple[str, bool]] = []

    def add(self, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            return
        path = Places(links=self._links).place("/".join(parts))
        folder, name = posixpath.split(path)
        if name.startswith(_WHITEOUT):
            content_only = name == _OPAQUE
            self._hidden.append(
                (folder if content_only else posixpath.join(folder, name[len(_WHITEOUT) :]), content_only)
            )
            return
        target = self._root / path
        if not (member.isdir() and target.is_dir()):
            self._remove(path)
        self._make_folder(folder)
        self._fresh.add(path)
        if member.isdir():
            target.mkdir(exist_ok=True)
        elif member.issym():
            self._links[path] = member.linkname
        elif member.islnk():
            self._link(Places(links=self._links).place(member.linkname), path)
        elif member.isfile() and (content := tar.extractfile(member)) is not None:
            with content, target.open("wb") as file:
                shutil.copyfileobj(content, file)
            target.chmod(0o755 if member.mode & 0o111 else 0o644)

    def end_layer(self) -> None:
        # a whiteout hides what lower layers had, never what its own layer has
        for path, content_only in self._hidden:
            below = f"{path}/"
            places = [str(one.relative_to(self._root)) for one in (self._root / path).rglob("*")]
            gone = [one for one in (*places, *self._links) if one.startswith(below)] + [path] * (not content_only)
            for one in gone:
                if not any(fresh == one or fresh.startswith(f"{one}/") for fresh in self._fresh):
                    self._remove(one)
        self._hidden, self._fresh = [], set()

    def make_links(self) -> None:
        for path, target in self._links.items():
            place = self._root / path
            if place.parent.is_dir():
                place.symlink_to(target)

    def _make_folder(self, path: str) -> None:
        # a layer may hold a file without entries for the folders above it, one of which was a file
        for end in range(path.count("/") + 1 if path else 0):
            place = self._root.joinpath(*path.split("/")[: end + 1])
            if place.is_file():
                place.unlink()
            place.mkdir(exist_ok=True)

    def _link(self, source: str, path: str) -> None:
        if source in self._links:
            self._links[path] = self._links[source]
        elif (self._root / source).is_file():
            (self._root / path).hardlink_to(self._root / source)

    def _remove(self, path: str) -> None:
        self._links.pop(path, None)
        place = self._root / path
        if place.is_dir():
            shutil.rmtree(place)
            for below in [one for one in self._links if one.startswith(f"{path}/")]:
                del self._links[below]
        elif place.is_file():
            place.unlink()

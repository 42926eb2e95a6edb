"""Reading a few files of an image without unpacking it: the layers are walked from the top, in one pass where that is enough.

Whiteouts, opaque directories (OCI image specification, "Representing Changes") and links are followed as a container would see
them. A link that leads to a path which was not watched for starts another pass.
"""

from __future__ import annotations

import posixpath
import re
import tarfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from envbuild.core.errors import EnvbuildError, IntegrityError
from envbuild.net.images import Descriptor, ImageSource, ResolvedImage
from envbuild.net.layers import content_of, members

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_MAGIC = re.compile(r"[*?]")
_MOST_LINKS = 40
_MOST_PASSES = 16
_LARGEST_TOTAL = 64 << 20
_MERGED = ("bin", "sbin", "lib", "lib64")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFiles:
    """What was found: the content by absolute path, and the absolute paths that the patterns match, sorted."""

    contents: dict[str, bytes]
    names: tuple[str, ...]


def find_files(
    source: ImageSource,
    image: ResolvedImage,
    *,
    contents: Iterable[str] = (),
    names: Iterable[str] = (),
    largest: int = 4 << 20,
) -> ImageFiles:
    """Read the files `contents` and list the paths `names`, absolute paths in which `*` and `?` stand for part of one name.

    What is not there is left out. Links are followed in `contents`; in `names` all but the last part. Where only plain
    paths are asked, reading stops as soon as all are known, and the digest of a layer that is not read to its end is not
    checked.

    Raises:
        NetworkError, IntegrityError: a layer cannot be had or read.
        EnvbuildError: a file is larger than `largest` bytes.
    """
    wanted = _Wanted(contents=frozenset(map(_normal, contents)), names=frozenset(map(_normal, names)))
    watched, read = set(wanted.contents | wanted.names), set(wanted.contents)
    for path in tuple(watched):
        if hints := _hints(path):
            watched |= hints
            read |= hints if path in read else set()
    for _ in range(_MOST_PASSES):
        tree = _Tree(watched, read, largest, image.name)
        try:
            return _look(source, image, tree, wanted)
        except _MissingError as missing:
            watched.add(missing.path)
            read.add(missing.path)
    raise IntegrityError(f"{image.name}: links lead on and on from {', '.join(sorted(watched))[:200]}")


def read_files(source: ImageSource, image: ResolvedImage, paths: Iterable[str]) -> dict[str, bytes]:
    """Return the content of the files that `paths` name or match (see `find_files`)."""
    return find_files(source, image, contents=paths).contents


def read_file(source: ImageSource, image: ResolvedImage, path: str) -> bytes | None:
    """Return the content of the file at `path`, or None (see `find_files`)."""
    return read_files(source, image, [path]).get(f"/{_normal(path)}")


def list_files(source: ImageSource, image: ResolvedImage, patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that exist and match one of `patterns` (see `find_files`)."""
    return find_files(source, image, names=patterns).names


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    contents: frozenset[str]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Entry:
    layer: int
    kind: str
    target: str = ""
    data: bytes | None = None


class _MissingError(Exception):
    """A link leads to a path that the pass did not watch for."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class _UnsettledError(Exception):
    """A path is not known yet: a lower layer may have it."""


@dataclass(slots=True)
class _Hidden:
    """What upper layers take away from lower ones."""

    whiteouts: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)

    def covers(self, path: str) -> bool:
        return path in self.whiteouts or any(one in self.whiteouts or one in self.opaque for one in _parents(path))


class _Tree:
    """The part of the image that is watched, filled layer by layer from the top."""

    def __init__(self, watched: Collection[str], read: Collection[str], largest: int, name: str) -> None:
        self._watched = frozenset(watched)
        self._relevant = re.compile("|".join(_nested(path.split("/")) for path in sorted(watched)) or r"(?!)")
        self._read = re.compile("|".join("/".join(map(_glob, path.split("/"))) for path in sorted(read)) or r"(?!)")
        self._largest, self._left, self._name = largest, _LARGEST_TOTAL, name
        self._entries: dict[str, _Entry] = {}
        self._above, self._here, self._layer = _Hidden(), _Hidden(), 0
        self.complete = False

    def see(self, member: tarfile.TarInfo, tar: tarfile.TarFile) -> bool:
        """Take notice of `member`; tell whether that changed anything."""
        path = _member_path(member.name)
        parent, name = posixpath.split(path)
        if name.startswith(_WHITEOUT):
            return self._take_away(parent, name)
        if not self._relevant.fullmatch(path):
            return False
        upper = self._entries.get(path)
        if upper is not None and upper.layer != self._layer:
            if upper.kind == "folder" and not member.isdir():
                self._here.opaque.add(path)
            return False
        if self._above.covers(path) or self._is_below_a_file(path):
            return False
        self._entries[path] = self._entry(path, member, tar)
        return True

    def end_layer(self) -> None:
        """From now on a lower layer is seen."""
        self._above.whiteouts |= self._here.whiteouts
        self._above.opaque |= self._here.opaque
        self._here = _Hidden()
        self._layer += 1

    def follow(self, path: str, *, last: bool = True) -> str:
        """Return where `path` leads, links resolved (the last part's only with `last`)."""
        waiting, here, links = path.split("/"), "", 0
        while waiting:
            part = waiting.pop(0)
            if part in ("", ".", ".."):
                here = posixpath.dirname(here) if part == ".." else here
                continue
            step = posixpath.join(here, part)
            entry = self.entry(step, waiting)
            if entry is None or entry.kind != "link" or not (waiting or last):
                here = step
                continue
            links += 1
            if links > _MOST_LINKS:
                return path
            here = "" if entry.target.startswith("/") else here
            waiting = [*entry.target.split("/"), *waiting]
        return here

    def entry(self, path: str, rest: Iterable[str] = ()) -> _Entry | None:
        """Return what is at `path` itself."""
        if not self._relevant.fullmatch(path):
            raise _MissingError(posixpath.normpath("/".join([path, *rest])))
        return self._entries.get(path)

    def content(self, path: str) -> bytes | None:
        """Return the bytes of the file that `path` leads to; None where there is none."""
        found = self.follow(path)
        entry = self._known(found) if found else None
        if entry is None or entry.kind != "file":
            return None
        if entry.data is None:
            raise _MissingError(found)
        return entry.data

    def exists(self, path: str) -> bool:
        """Tell whether there is anything at `path`, a dangling link included."""
        found = self.follow(path, last=False)
        return bool(found) and (bool(self._children(found)) or self._known(found) is not None)

    def expand(self, pattern: str) -> Iterator[str]:
        """Yield the paths that `pattern` may mean: itself, or what matches where it has `*` or `?`."""
        parts = pattern.split("/")
        at = next((at for at, part in enumerate(parts) if _MAGIC.search(part)), None)
        if at is None:
            yield pattern
            return
        if not self.complete:
            raise _UnsettledError
        base = "/".join(parts[:at])
        real = self.follow(base)
        if real != base and (moved := "/".join([real, *parts[at:]]).lstrip("/")) not in self._watched:
            raise _MissingError(moved)
        fits = re.compile(_glob(parts[at]))
        for name in sorted(self._children(real)):
            if fits.fullmatch(name):
                yield from self.expand("/".join(filter(None, [base, name, *parts[at + 1 :]])))

    def _children(self, folder: str) -> set[str]:
        # a layer may hold a file without entries for the folders above it
        start = f"{folder}/" if folder else ""
        return {path[len(start) :].partition("/")[0] for path in self._entries if path.startswith(start)}

    def _known(self, path: str) -> _Entry | None:
        entry = self._entries.get(path)
        settled = entry is not None or self.complete or self._above.covers(path) or self._is_below_a_file(path)
        if not settled:
            raise _UnsettledError
        return entry

    def _take_away(self, parent: str, name: str) -> bool:
        if name == _OPAQUE:
            self._here.opaque.add(parent)
        elif not name.startswith(_WHITEOUT * 2):
            self._here.whiteouts.add(posixpath.join(parent, name.removeprefix(_WHITEOUT)))
        return False

    def _is_below_a_file(self, path: str) -> bool:
        above = (self._entries.get(one) for one in _parents(path))
        return any(one is not None and one.kind != "folder" and one.layer != self._layer for one in above)

    def _entry(self, path: str, member: tarfile.TarInfo, tar: tarfile.TarFile) -> _Entry:
        if member.isdir():
            return _Entry(self._layer, "folder")
        if member.issym():
            return _Entry(self._layer, "link", target=member.linkname)
        if member.islnk():
            return _Entry(self._layer, "link", target=f"/{_member_path(member.linkname)}")
        if not member.isfile():
            return _Entry(self._layer, "other")
        data = self._content(path, member, tar) if self._read.fullmatch(path) else None
        return _Entry(self._layer, "file", data=data)

    def _content(self, path: str, member: tarfile.TarInfo, tar: tarfile.TarFile) -> bytes:
        self._left -= member.size
        if member.size > self._largest or self._left < 0:
            raise EnvbuildError(
                f"{self._name}: /{path} has {member.size} bytes, more than is read of a file of an image"
            )
        return content_of(member, tar, self._name)


def _look(source: ImageSource, image: ResolvedImage, tree: _Tree, wanted: _Wanted) -> ImageFiles:
    for layer in reversed(image.layers):
        if found := _look_in_layer(source, image, layer, tree, wanted):
            return found
    tree.complete = True
    return _answer(tree, wanted)


def _look_in_layer(
    source: ImageSource, image: ResolvedImage, layer: Descriptor, tree: _Tree, wanted: _Wanted
) -> ImageFiles | None:
    with source.blob(layer) as blob:
        for member, tar in members(blob, f"{image.name}: layer {layer.digest}"):
            if tree.see(member, tar) and (found := _early_answer(tree, wanted)):
                return found
        # a tar may end before its blob does: the rest is read so that the digest is checked
        while blob.read(1 << 18):
            pass
    tree.end_layer()
    return _early_answer(tree, wanted)


def _early_answer(tree: _Tree, wanted: _Wanted) -> ImageFiles | None:
    try:
        return _answer(tree, wanted)
    except _UnsettledError:
        return None


def _answer(tree: _Tree, wanted: _Wanted) -> ImageFiles:
    contents = {
        f"/{path}": data
        for pattern in sorted(wanted.contents)
        for path in tree.expand(pattern)
        if (data := tree.content(path)) is not None
    }
    names = {f"/{path}" for pattern in wanted.names for path in tree.expand(pattern) if tree.exists(path)}
    return ImageFiles(contents=contents, names=tuple(sorted(names)))


def _hints(path: str) -> set[str]:
    # where today's distributions keep what the old path links to: a guess that saves the second pass
    if path == "etc/os-release":
        return {"usr/lib/os-release"}
    return {f"usr/{path}"} if path.split("/", maxsplit=1)[0] in _MERGED else set()


def _normal(path: str) -> str:
    return posixpath.normpath(f"/{path}").lstrip("/")


def _member_path(name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "" if ".." in parts else "/".join(parts)


def _parents(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _nested(parts: list[str]) -> str:
    inner = f"(?:/{_nested(parts[1:])})?" if parts[1:] else ""
    return f"{_glob(parts[0])}{inner}"


def _glob(part: str) -> str:
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(character, re.escape(character)) for character in part)

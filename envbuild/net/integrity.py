"""What is promised about bytes, and holding bytes against it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from envbuild.core.errors import DefinitionError, IntegrityError

_HEX = {"sha256": re.compile(r"[0-9a-f]{64}"), "md5": re.compile(r"[0-9a-f]{32}")}
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """The promise: lower case hexadecimal hashes and the size in bytes; what is empty is not promised."""

    sha256: str = ""
    md5: str = ""
    size: int | None = None

    def __post_init__(self) -> None:
        for algorithm, value in (("sha256", self.sha256), ("md5", self.md5)):
            if value and not _HEX[algorithm].fullmatch(value):
                raise DefinitionError(f"{value!r} is not a {algorithm} in lower case hexadecimal digits")

    @property
    def key(self) -> str:
        """Where a content-addressed store keeps the bytes (`sha256/ab/ab…`); empty when no hash is promised."""
        for algorithm, value in (("sha256", self.sha256), ("md5", self.md5)):
            if value:
                return f"{algorithm}/{value[:2]}/{value}"
        return ""

    def check(self, path: Path, name: str) -> None:
        """Read all of `path` and hold it against the promise; `name` is what the message calls it.

        Raises:
            IntegrityError: the size or a hash differs.
        """
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            raise IntegrityError(f"{name}: {size} bytes came, {self.size} were promised", hint=_HINT)
        for algorithm, expected, found in self._compare(path):
            if found != expected:
                raise IntegrityError(f"{name}: its {algorithm} is {found}, promised was {expected}", hint=_HINT)

    def _compare(self, path: Path) -> list[tuple[str, str, str]]:
        promised = [(name, value) for name, value in (("sha256", self.sha256), ("md5", self.md5)) if value]
        hashes = [hashlib.new(name, usedforsecurity=False) for name, _ in promised]
        with path.open("rb") as file:
            while hashes and (chunk := file.read(_CHUNK)):
                for one in hashes:
                    one.update(chunk)
        return [(name, value, one.hexdigest()) for (name, value), one in zip(promised, hashes, strict=True)]


_HINT = "the file changed on its server or on the way: try again, then lock again if the change is meant"

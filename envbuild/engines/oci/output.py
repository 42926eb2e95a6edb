"""What a person may say about where an image goes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from envbuild.core.errors import EngineError

Kind = Literal["store", "oci", "oci-archive", "docker-archive", "docker", "registry"]
_KINDS: tuple[Kind, ...] = ("oci", "oci-archive", "docker-archive", "docker", "registry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What to do with the image; `path` for what is written to the disk."""

    kind: Kind
    path: Path = Path()


def parse_output(text: str) -> Output:
    """Return what `text` asks for: `oci:DIR`, `oci-archive:FILE`, `docker-archive:FILE`, `docker`, `registry`, or nothing.

    Raises:
        EngineError: it is none of these.
    """
    if not text:
        return Output(kind="store")
    name, colon, path = text.partition(":")
    for kind in _KINDS:
        if name == kind and bool(path) == (kind not in ("docker", "registry")) and bool(colon) == bool(path):
            return Output(kind=kind, path=Path(path))
    raise EngineError(
        f"output {text!r} is not one that the oci engine has",
        hint="oci:DIR, oci-archive:FILE, docker-archive:FILE, docker, or registry",
    )

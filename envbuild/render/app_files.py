"""How an application's files lie in a build context, and the COPY instructions that put them where they belong. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from envbuild.context import ContextFile
from envbuild.core.errors import PlanError
from envbuild.core.names import is_one_line
from envbuild.core.plan import App

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_RESERVED = ("envbuild", "Dockerfile")
_MODELS = "azureml-models"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One COPY: paths in the context, all plain, and a target in the image that ends in `/`."""

    sources: tuple[str, ...]
    target: str


def app_files(app: App | None) -> tuple[ContextFile, ...]:
    """Return the files of `app` as files of a build context."""
    if app is None or not app.files:
        return ()
    root = _root(app)
    return tuple(
        ContextFile(
            path=f"{root.name}/{PurePosixPath(file.path).relative_to(root)}",
            content=file.content,
            source=Path(file.source) if file.source else None,
            mode=file.mode,
        )
        for file in app.files
    )


def app_copies(app: App | None) -> tuple[Copy, ...]:
    """Return the COPY instructions of `app`: models first, then folders, then single files, as they change more often.

    Only plain names are named; where there is another one, the whole folder is copied in one instruction.

    Raises:
        PlanError: the files have no folder in common, or one whose name cannot stand in a Dockerfile.
    """
    if app is None or not app.files:
        return ()
    root = _root(app)
    inside = [PurePosixPath(file.path).relative_to(root).parts for file in app.files]
    names = sorted({parts[0] for parts in inside})
    if not all(_PLAIN.fullmatch(name) for name in names):
        return (Copy(sources=(f"{root.name}/",), target=f"{root}/"),)
    folders = sorted({parts[0] for parts in inside if len(parts) > 1}, key=lambda name: (name != _MODELS, name))
    copies = [Copy(sources=(f"{root.name}/{name}/",), target=f"{root}/{name}/") for name in folders]
    files = tuple(f"{root.name}/{parts[0]}" for parts in sorted(inside) if len(parts) == 1)
    return (*copies, Copy(sources=files, target=f"{root}/")) if files else tuple(copies)


def _root(app: App) -> PurePosixPath:
    """The deepest folder of at most two parts that holds every file: `/var/azureml-app`."""
    for file in app.files:
        path = PurePosixPath(file.path)
        if not path.is_absolute() or ".." in path.parts or not is_one_line(file.path):
            raise PlanError(f"{file.path!r} is not an absolute path for a file in an image")
    shared = list(_common([PurePosixPath(file.path).parts[:-1] for file in app.files]))[:3]
    if len(shared) < 3 or shared[2] in _RESERVED or not all(_PLAIN.fullmatch(part) for part in shared[1:]):
        found = ", ".join(sorted({str(PurePosixPath(file.path).parent) for file in app.files})[:4])
        raise PlanError(f"an application's files must lie in one folder such as /var/azureml-app; found {found}")
    return PurePosixPath(*shared)


def _common(paths: Sequence[tuple[str, ...]]) -> Iterator[str]:
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            return
        yield parts[0]

"""Private wheels: kept in the workspace, installed from there, never published."""

from __future__ import annotations

import re
from pathlib import Path

from envbuild.core.errors import WorkspaceError
from envbuild.files import exclusive, sha256_of, write_atomic
from envbuild.workspace.workspace import Workspace

_WHEEL = re.compile(
    r"[A-Za-z0-9_.]+-[A-Za-z0-9_.!+]+(?:-\d[A-Za-z0-9_.]*)?-[A-Za-z0-9_.]+-[A-Za-z0-9_.]+-[A-Za-z0-9_.]+\.whl"
)


def keep_wheel(workspace: Workspace, path: Path, *, exist_ok: bool = False) -> str:
    """Keep the wheel `path` under its name and return its `file:` URL.

    Raises:
        WorkspaceError: it is no wheel or cannot be read, or another of that name is kept (unless `exist_ok`).
    """
    if not _WHEEL.fullmatch(path.name):
        raise WorkspaceError(
            f"{path.name} is not the name of a wheel",
            hint="name-version-python-abi-platform.whl, as `pip wheel` writes it",
        )
    if not path.is_file():
        raise WorkspaceError(f"{path} does not exist")
    target = workspace.folder.resolve() / "wheels" / path.name
    with exclusive(target.with_name(".lock")):
        if not target.exists():
            write_atomic(target, path.read_bytes())
        elif sha256_of(target) != sha256_of(path) and not exist_ok:
            raise WorkspaceError(
                f"a wheel {path.name} with other content is kept in this workspace",
                hint="give the new one another version; exist_ok=True keeps the old one",
            )
    return target.as_uri()

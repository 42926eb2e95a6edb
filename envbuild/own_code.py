"""The source code that a definition names, built for an image: with the definition's own indexes, within the lock's cutoff."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envbuild.core.progress import SILENT, Progress

if TYPE_CHECKING:
    from pathlib import Path

    from envbuild.code.wheel import BuildRequirements
    from envbuild.core.definition import Definition
    from envbuild.core.lock import Lock
    from envbuild.core.plan import Code


def built_code(definition: Definition, root: Path, lock: Lock, *, progress: Progress = SILENT) -> tuple[Code, ...]:
    """Return the wheels of the source code that `definition` names, each from the cache or built now; paths start at `root`.

    That runs the build backend of each folder, which is the user's own code. What is left out is noted.

    Raises:
        PlanError: one cannot be built.
    """
    from envbuild.code.wheel import code_of

    if definition.image.code is False or not definition.code:
        return ()
    wanted = [one for one in definition.code if not (one.left_out or definition.user_managed)]
    for one in definition.code:
        if one not in wanted:
            reason = one.left_out or "the image's packages are managed by its user"
            progress.note(f"the code of {one.path} is not in the image: {reason}")
    return tuple(
        code_of(
            one,
            root,
            requirements=lambda: _build_requirements(definition, root),
            cutoff=lock.exclude_newer,
            progress=progress,
        )
        for one in wanted
    )


def _build_requirements(definition: Definition, root: Path) -> BuildRequirements:
    from envbuild.code.wheel import BuildRequirements as Requirements
    from envbuild.net.offline import is_offline
    from envbuild.solve.indexes import index_access, uv_options, uv_variables

    access = index_access(definition.index, root, os.environ)
    options = (*uv_options(access), *(("--offline",) if is_offline() else ()))
    return Requirements(variables=uv_variables(access), options=options, safe=access.safe)

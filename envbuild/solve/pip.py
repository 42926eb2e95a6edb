"""The pip side of a lock: one question, two resolvers, one form of answer."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from envbuild.core.lock import PipPackage
from envbuild.core.progress import Progress
from envbuild.solve.indexes import index_access
from envbuild.solve.options import PipRequest
from envbuild.solve.requirements import ask


def resolve_pip(request: PipRequest, progress: Progress) -> tuple[PipPackage, ...]:
    """Return every package that `request` needs, sorted by name, with all files that its Python can take and their hashes.

    Packages that conda or the base provide are not among them. `ENVBUILD_INDEX_URL` stands in for the default index.
    With `request.platforms` each is answered alone, for its C library; without, one answer with markers is for all of
    `request.options.platforms` (or every platform that we know), and each of those has a wheel of everything.

    Raises:
        PipConflictError: the requirements and what is provided exclude each other; it says what would be taken instead.
        SolveError: a line that a lock cannot hold, a name without a wheel, or no set of packages that satisfies all.
        NetworkError: an index cannot be reached or refuses.
        IntegrityError: no file has a hash that the definition accepts.
    """
    if not request.requirements:
        return ()
    environ = dict(os.environ)
    written = (one.target for one in (*request.requirements, *request.constraints))
    asked = ask(request, environ)
    access = index_access(request.index, Path(request.folder), environ, *written)
    if any(one.extras and one.name in request.provided for one in request.requirements):
        from envbuild.solve.extras import provided_extras

        asked = replace(asked, extras=provided_extras(request, access, progress))
    if request.options.pip_resolver == "pip-tools":
        from envbuild.solve import pip_tools

        packages = pip_tools.resolve(request, asked, access, environ, progress)
    else:
        from envbuild.solve import uv

        packages = uv.resolve(request, asked, access, environ, progress)
    return tuple(sorted(packages, key=lambda one: (one.name, one.version, one.platforms, one.marker)))

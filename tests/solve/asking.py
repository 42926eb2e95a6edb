"""Questions to the pip side, short to write: requirement lines as a requirements file would have them."""

from __future__ import annotations

from pathlib import Path

from packaging.requirements import Requirement

from envbuild.core.definition import IndexOptions, Origin, PipRequirement
from envbuild.core.lock import PipPackage
from envbuild.core.names import normalize
from envbuild.core.progress import SILENT
from envbuild.solve.options import PipRequest, SolveOptions
from envbuild.solve.pip import resolve_pip


def requirement(text: str, line: int = 1, *hashes: str) -> PipRequirement:
    """Return the requirement that `text` (PEP 508, or a path) is, as line `line` of `requirements.txt`."""
    origin = Origin(file="requirements.txt", line=line)
    if text.startswith("."):
        name = normalize(text.rsplit("/", 1)[-1].split("-", maxsplit=1)[0])
        return PipRequirement(text=text, kind="path", name=name, target=text, hashes=hashes, origin=origin)
    parsed = Requirement(text)
    url = parsed.url or ""
    return PipRequirement(
        text=text,
        kind=("vcs" if url.startswith("git+") else "url") if url else "name",
        name=normalize(parsed.name),
        extras=tuple(sorted(parsed.extras)),
        specifier=str(parsed.specifier),
        marker=str(parsed.marker or ""),
        target=url,
        hashes=hashes,
        origin=origin,
    )


def question(
    *lines: str | PipRequirement,
    index: str | IndexOptions = "",
    folder: Path | str = ".",
    options: SolveOptions | None = None,
    **fields,
) -> PipRequest:
    """Return the question for `lines` at `index` (a URL or options)."""
    written = tuple(
        one if isinstance(one, PipRequirement) else requirement(one, number) for number, one in enumerate(lines, 1)
    )
    where = index if isinstance(index, IndexOptions) else IndexOptions(index_url=index)
    return PipRequest(
        requirements=written,
        python=fields.pop("python", "3.11"),
        index=where,
        folder=str(folder),
        options=options or SolveOptions(),
        **fields,
    )


def resolve(*lines: str | PipRequirement, **fields) -> tuple[PipPackage, ...]:
    """Return the answer."""
    return resolve_pip(question(*lines, **fields), SILENT)


def pins(packages: tuple[PipPackage, ...]) -> dict[str, str]:
    """Return name → version."""
    return {one.name: one.version for one in packages}

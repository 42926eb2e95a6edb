"""Whether committed Dockerfiles, and the build contexts around them, are what their locks render to."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.core.errors import EnvbuildError, Problem
from envbuild.hooks.targets import LOCK, Target, find_targets

if TYPE_CHECKING:
    from envbuild.context import Context, ContextFile

_OURS = " AS envbuild-base\n"
_CODE_STAGE = " AS envbuild-code\n"
_OWN_FILES = "envbuild"


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A Dockerfile that envbuild rendered, and the environment that it is of."""

    dockerfile: Path
    target: Target


def committed_dockerfiles(files: Iterable[Path]) -> tuple[Committed, ...]:
    """Return the Dockerfiles that `files` (definitions, locks, Dockerfiles) bear on, each with its environment.

    They lie beside the lock, or in a folder beside it that is called like the environment (`docker-gpu/` for `gpu`); where
    a folder has one environment alone, in any folder beside it. Contexts of services, which hold a model, are left out.
    """
    files = tuple(files)
    targets = find_targets(one for one in files if one.name != "Dockerfile").targets
    folders = {one.lock.parent for one in targets if one.lock is not None}
    for dockerfile in (one for one in files if one.name == "Dockerfile"):
        near = (dockerfile.parent, dockerfile.parent.parent)
        folders |= set([one for one in near if _locks(one)][:1])
    return tuple(found for folder in sorted(folders) for found in _pairs(folder))


def _locks(folder: Path) -> list[Path]:
    return [one for one in sorted(folder.iterdir()) if LOCK.fullmatch(one.name)] if folder.is_dir() else []


def _pairs(folder: Path) -> Iterator[Committed]:
    rendered = [path for path in sorted({folder / "Dockerfile", *folder.glob("*/Dockerfile")}) if _is_ours(path)]
    found = find_targets(_locks(folder)).targets if rendered else ()
    targets = [one for one in found if not one.is_service]
    for path in rendered:
        target = _owner(path, folder, targets)
        if target is not None:
            yield Committed(dockerfile=path, target=target)


def _is_ours(path: Path) -> bool:
    if not path.is_file() or (path.parent / "azureml-app").exists():
        return False
    return _OURS in path.read_text(encoding="utf-8", errors="replace")


def _owner(path: Path, folder: Path, targets: list[Target]) -> Target | None:
    if path.parent != folder:
        called = path.parent.name
        for one in targets:
            if one.name and (called == one.name or called.endswith((f"-{one.name}", f"_{one.name}", f".{one.name}"))):
                return one
    if len(targets) == 1:
        return targets[0]
    return next((one for one in targets if not one.name), None)


def differences(committed: Committed, *, platform: str = "", write: bool = False) -> tuple[Problem, ...]:
    """Return how the committed Dockerfile and its context differ from the rendered ones; with `write`, mend them too.

    A Dockerfile that lies alone, without the folder `envbuild/` beside it, is compared alone.
    """
    try:
        # one that was written with --no-code stays so
        code = _CODE_STAGE in committed.dockerfile.read_text(encoding="utf-8", errors="replace")
        context = _rendered(committed.target, platform, code=code)
    except EnvbuildError as error:
        return error.problems
    folder = committed.dockerfile.parent
    whole = (folder / _OWN_FILES).is_dir() and not (folder / _OWN_FILES / "__init__.py").exists()
    found = [
        _difference(file, folder / file.path) for file in context.all_files() if whole or file.path == "Dockerfile"
    ]
    problems = [one for one in found if one is not None]
    extra = _left_over(context, folder) if whole else []
    problems += [Problem(message="is no longer part of the context", file=str(path)) for path in extra]
    if write and problems:
        _mend(context, folder, whole=whole, extra=extra)
    return tuple(problems)


def _rendered(target: Target, platform: str, *, code: bool) -> Context:
    from envbuild.api import plan
    from envbuild.lockfile import lock_folder
    from envbuild.render import render

    made = plan(
        target.definition,
        environment=target.environment,
        platform=platform,
        locked=True,
        allow_unpinned_base=True,
        code=code,
    )
    return render(made, root=lock_folder(target.definition))


def _difference(file: ContextFile, path: Path) -> Problem | None:
    if file.link:
        same = path.is_symlink() and str(path.readlink()) == file.link
        return None if same else Problem(message=f"is not a link to {file.link}", file=str(path))
    if not path.is_file():
        return Problem(message="is missing from the context", file=str(path))
    with file.open() as source:
        wanted = source.read()
    found = path.read_bytes()
    return None if found == wanted else _first_line(found, wanted, path)


def _first_line(found: bytes, wanted: bytes, path: Path) -> Problem:
    lines = itertools.zip_longest(_text(found), _text(wanted))
    for number, (committed, rendered) in enumerate(lines, 1):
        if committed != rendered:
            message = f"is {_quoted(committed)}, but the lock renders to {_quoted(rendered)}"
            return Problem(message=message, file=str(path), line=number)
    return Problem(message="differs in its bytes from what the lock renders to", file=str(path))


def _text(content: bytes) -> list[str]:
    return content.decode(errors="replace").splitlines()


def _quoted(line: str | None) -> str:
    if line is None:
        return "the end"
    return f"`{line.strip()[:100]}`"


def _left_over(context: Context, folder: Path) -> list[Path]:
    known = {folder / one.path for one in context.files}
    return [one for one in sorted((folder / _OWN_FILES).rglob("*")) if one.is_file() and one not in known]


def _mend(context: Context, folder: Path, *, whole: bool, extra: list[Path]) -> None:
    from envbuild.files import write_atomic

    for file in context.all_files():
        if file.link or (not whole and file.path != "Dockerfile"):
            continue
        with file.open() as source:
            write_atomic(folder / file.path, source.read(), mode=file.mode)
    for path in extra:
        path.unlink()

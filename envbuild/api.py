"""The road of envbuild on one screen: read → lock → plan → render → build. Every front door walks it through here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.core.definition import Definition
from envbuild.core.errors import DefinitionError, LockError, Problem, ServiceError
from envbuild.core.progress import SILENT, Progress
from envbuild.lockfile import find_lock, load_lock, lock_folder, lock_name, lock_path, store_lock
from envbuild.unchanged import unchanged_lock

if TYPE_CHECKING:
    from envbuild.app import Scoring, ServedModel
    from envbuild.core.freshness import Freshness
    from envbuild.core.image_settings import ImageSettings
    from envbuild.core.lock import Lock
    from envbuild.core.plan import App, Code, Plan
    from envbuild.engines.local import LocalEnvironment
    from envbuild.engines.protocol import BuildOptions, Image
    from envbuild.render import RenderOptions
    from envbuild.solve.conda import CondaSolver
    from envbuild.solve.options import SolveOptions
    from envbuild.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What `lock` did: the lock, its file, the lock before (None for a first one), and whether the file was written."""

    lock: Lock
    path: Path
    previous: Lock | None
    written: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A service ready to be written as a context, built as an image, or run: its plan, its lock's file, and where paths start."""

    plan: Plan
    lock_file: Path
    root: Path


def read_definition(path: Path | str, environment: str = "") -> Definition:
    """Read the definition in `path`; `environment` names one of several in a `pyproject.toml`.

    Raises:
        DefinitionError: with every problem of the file.
    """
    from envbuild.read import read_definition as read

    place = Path(path)
    try:
        return read(place, environment=environment)
    except DefinitionError as error:
        # the reader names files as the definition does; a person stands elsewhere
        folder = lock_folder(place)
        raise DefinitionError([replace(one, file=str(folder / one.file)) for one in error.problems]) from error


def environment_names(path: Path | str) -> tuple[str, ...]:
    """Return the names of the environments that the definition in `path` holds; one that needs no name has an empty one.

    Raises:
        DefinitionError: the file cannot be read.
    """
    from envbuild.read.several import environment_names as names

    return names(Path(path))


def lock(
    path: Path | str,
    *,
    environment: str = "",
    output: Path | None = None,
    options: SolveOptions | None = None,
    write: bool = True,
    progress: Progress = SILENT,
    solver: CondaSolver | None = None,
) -> Locked:
    """Lock the definition in `path`, keeping a previous lock as far as it still answers; write the file if it changed.

    A `solver` that several locks share has read their channels only once; it stays the caller's to close.

    Raises:
        DefinitionError, SolveError, NetworkError, LockError: nothing is written then.
    """
    definition = read_definition(path, environment)
    previous_path = output if output is not None and output.is_file() else find_lock(Path(path), environment)
    previous = load_lock(previous_path) if previous_path is not None else None
    into = (output.parent if output is not None else lock_folder(Path(path))) if write else None
    result = solve(
        definition, Path(path), previous=previous, options=options, progress=progress, solver=solver, into=into
    )
    target = output or lock_path(Path(path), result, environment)
    written = store_lock(target, result) if write else False
    for note in definition.notes if written or not write else ():
        progress.note(str(note))
    return Locked(lock=result, path=target, previous=previous, written=written)


def solve(
    definition: Definition,
    path: Path,
    *,
    previous: Lock | None = None,
    options: SolveOptions | None = None,
    progress: Progress = SILENT,
    solver: CondaSolver | None = None,
    into: Path | None = None,
) -> Lock:
    """Return the lock of `definition` (read from `path`) without writing it; nothing is solved where `into` cannot be written."""
    from envbuild.net.offline import is_offline
    from envbuild.solve.make import make_lock
    from envbuild.solve.options import SolveOptions as Options

    return make_lock(
        definition,
        folder=lock_folder(path),
        previous=previous,
        options=options or Options(offline=is_offline()),
        progress=progress,
        inspect_base=_inspect_base,
        parse_include=_parse_include,
        solver=solver,
        into=into,
    )


def _inspect_base(reference: str) -> str:
    # engines are imported only where no registry answered: they cost more time than a small solve
    from envbuild.engines.base_digest import inspect_base

    return inspect_base(reference)


def _parse_include(content: bytes, url: str) -> Definition:
    from envbuild.read.load import parse_included

    return parse_included(content, url)


def check(path: Path | str, *, environment: str = "") -> Freshness:
    """Tell whether the lock of the definition in `path` is fresh. Offline; reads two files; writes nothing.

    Raises:
        DefinitionError: the definition is not understood.
        LockError: the lock is not understood.
    """
    from envbuild.core.freshness import Freshness, freshness

    if unchanged_lock(str(Path(path)), environment):
        return Freshness(fresh=True)
    found = find_lock(Path(path), environment)
    if found is None:
        missing = Problem(message="there is no lock", file=str(path), hint=f"run `envbuild lock {path}`")
        return Freshness(fresh=False, reasons=(missing,))
    return freshness(read_definition(path, environment), load_lock(found))


def current_lock(
    path: Path | str,
    *,
    environment: str = "",
    locked: bool = False,
    update: bool = False,
    options: SolveOptions | None = None,
    progress: Progress = SILENT,
) -> Lock:
    """Return the lock to build from: the fresh one; a new one where there is none or `update` is said; never a stale one.

    Raises:
        LockError: the lock is stale (with its reasons), or missing while `locked` forbids to solve.
    """
    found = find_lock(Path(path), environment)
    if found is None and locked:
        raise LockError(f"{path} has no lock, and --locked forbids to make one", hint=f"run `envbuild lock {path}`")
    if update or found is None:
        return lock(path, environment=environment, options=options, progress=progress).lock
    answer = check(path, environment=environment)
    if not answer.fresh:
        raise LockError(
            [
                Problem(message=f"the lock {found} is stale", hint="run `envbuild lock`, or say --update-lock"),
                *answer.reasons,
            ]
        )
    return load_lock(found)


def plan(
    path: Path | str,
    *,
    environment: str = "",
    platform: str = "",
    locked: bool = False,
    update_lock: bool = False,
    allow_unpinned_base: bool = False,
    app: App | None = None,
    code: bool = True,
    progress: Progress = SILENT,
) -> Plan:
    """Return the plan of the image for the definition in `path` (see `current_lock` for which lock it takes).

    With `code`, the source code that the definition names is built where it changed, and in the image.
    """
    from envbuild.core.plan import make_plan
    from envbuild.own_code import built_code

    definition = read_definition(path, environment)
    answer = current_lock(path, environment=environment, locked=locked, update=update_lock, progress=progress)
    wheels = built_code(definition, lock_folder(Path(path)), answer, progress=progress) if code else ()
    return make_plan(definition, answer, platform, app=app, code=wheels, allow_unpinned_base=allow_unpinned_base)


def package(  # noqa: PLR0913 - each stands for itself
    path: Path | str,
    *,
    models: Sequence[ServedModel] = (),
    scoring: Scoring | None = None,
    framework: str = "",
    environment: str = "",
    platform: str = "",
    locked: bool = False,
    allow_unpinned_base: bool = False,
    code: bool = True,
    options: SolveOptions | None = None,
    progress: Progress = SILENT,
) -> Package:
    """Return the service that answers with `models` through `scoring` in the environment of the definition in `path`.

    `served_model` finds the models; `framework` serves the one model without a script. Where the definition lacks what our
    server needs, that is added, and the answer is locked beside the definition's own lock as `<name>-service`.

    Raises:
        ServiceError: the script is missing or cannot be served.
        LockError: the service's lock is missing or stale while `locked` forbids to solve.
    """
    from envbuild.app import service_app, service_definition
    from envbuild.core.plan import make_plan
    from envbuild.own_code import built_code

    path = Path(path)
    definition = read_definition(path, environment)
    service = service_definition(definition, scoring.text if scoring is not None else "")
    app = service_app(models, scoring, framework=framework, python=definition.interpreter_path)
    if service.hash == definition.hash:
        answer = current_lock(path, environment=environment, locked=locked, options=options, progress=progress)
        lock_file = lock_path(path, answer, environment)
    else:
        lock_file, answer = _service_lock(service, path, environment, locked=locked, options=options, progress=progress)
    root = lock_folder(path)
    wheels = built_code(service, root, answer, progress=progress) if code else ()
    made = make_plan(service, answer, platform, app=app, code=wheels, allow_unpinned_base=allow_unpinned_base)
    return Package(plan=made, lock_file=lock_file, root=root)


def _service_lock(
    service: Definition,
    path: Path,
    environment: str,
    *,
    locked: bool,
    options: SolveOptions | None,
    progress: Progress,
) -> tuple[Path, Lock]:
    from envbuild.core.freshness import freshness

    name = "-".join(filter(None, [lock_name(path, environment), "service"]))
    found = find_lock(path, name)
    previous = load_lock(found) if found is not None else None
    if found is not None and previous is not None and freshness(service, previous).fresh:
        return found, previous
    if locked:
        raise LockError(
            f"{path} has no fresh lock for a service, and --locked forbids to make one",
            hint="run `envbuild package` without it",
        )
    own = find_lock(path, environment)
    # what the environment's own lock chose is kept in the service's
    start = load_lock(own) if own is not None else previous
    answer = solve(service, path, previous=start, options=options, progress=progress, into=lock_folder(path))
    target = lock_path(path, answer, name)
    store_lock(target, answer)
    return target, answer


def served_model(model: str | Path, workspace: Workspace | None) -> ServedModel:
    """Return what to serve for `model`: the files of a path as version 0, or `name` or `name:version` in `workspace`.

    Raises:
        ServiceError: there is neither such a path nor, in `workspace`, such a model.
    """
    from envbuild.app import ServedModel, disk_files
    from envbuild.workspace.models import get_model, stored_files

    place = Path(model)
    if workspace is not None and not place.exists():
        registered = get_model(workspace, str(model))
        return ServedModel(name=registered.name, version=registered.version, files=stored_files(workspace, registered))
    if not place.exists():
        raise ServiceError(f"model {str(model)!r} is no file or folder, and there is no workspace to look it up in")
    base = f"/{place.resolve().name}" if place.is_dir() else ""
    return ServedModel(name=place.resolve().stem, version=0, files=tuple(disk_files(place, base)))


def write_context(
    plan: Plan, folder: Path, *, options: RenderOptions | None = None, overwrite: bool = False, root: Path = Path()
) -> None:
    """Write the Dockerfile of `plan` and every file that it needs to `folder`; `docker build folder` builds it anywhere.

    `root` is where relative paths of the definition start.
    """
    from envbuild.context import write_context as write
    from envbuild.render import render

    write(render(plan, options=options, root=root), folder, overwrite=overwrite)


def image(
    plan: Plan,
    *,
    engine: str = "auto",
    tags: Sequence[str] = (),
    platforms: Sequence[str] = (),
    reuse: bool = True,
    options: BuildOptions | None = None,
    settings: ImageSettings | None = None,
    secrets: Mapping[str, Path] | None = None,
    root: Path = Path(),
    progress: Progress = SILENT,
) -> Image:
    """Build the image of `plan`, tag it with its key's name and `tags`; nothing is built when that image exists.

    With several `platforms` (conda subdirs of the lock) it is an index over one image for each.

    Raises:
        EngineError: no engine answers, or the build failed (with the step and the lines that asked for it).
    """
    from envbuild.core.image_settings import ImageSettings as Settings
    from envbuild.engines.machine_secrets import default_secrets
    from envbuild.engines.making import Wish, make_image
    from envbuild.engines.protocol import BuildOptions as Options

    wish = Wish(
        plans=plan.for_platforms(platforms) if len(platforms) > 1 else (plan,),
        engine=engine,
        tags=tuple(tags),
        reuse=reuse,
        options=options or Options(),
        settings=settings or Settings(),
        secrets={**default_secrets(), **(secrets or {})},
        root=root,
    )
    return make_image(wish, progress=progress)


def install(
    lock: Lock,
    *,
    definition: Definition | None = None,
    root: Path = Path(),
    prefix: Path | None = None,
    code: tuple[Code, ...] = (),
    progress: Progress = SILENT,
) -> LocalEnvironment:
    """Install `lock` and `code` as a prefix on this machine, or return the one that is there; `root` is where relative paths start.

    What the URLs of `definition` say in `${NAME}` (a login, a variable in a path) goes to the same hosts here.

    Raises:
        EngineError: this machine has no interpreter of the lock's version, or an installation failed.
        PlanError: the lock is not for this machine's platform.
    """
    from envbuild.core.plan import with_code
    from envbuild.core.platforms import this_platform
    from envbuild.core.selection import select
    from envbuild.engines.local import install as install_locally
    from envbuild.net.offline import is_offline
    from envbuild.net.url_variables import UrlVariables

    selection = with_code(select(lock, this_platform().subdir), lock, code)
    urls = UrlVariables.of(definition)
    return install_locally(lock, selection, prefix, folder=root, offline=is_offline(), progress=progress, urls=urls)

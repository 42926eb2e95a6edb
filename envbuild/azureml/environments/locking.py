"""A registered environment on the common road: its definition, its lock (kept beside it), its plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from envbuild import api
from envbuild.app import REPLACED
from envbuild.azureml.environments.secrets import provide_variables
from envbuild.core.definition import Definition
from envbuild.core.diff import LockDiff, diff_locks
from envbuild.core.freshness import freshness
from envbuild.core.lock import Lock
from envbuild.core.plan import Code, Plan, make_plan
from envbuild.core.progress import SILENT, Progress
from envbuild.engines.local import LocalEnvironment
from envbuild.files import exclusive
from envbuild.lockfile import find_lock, load_lock, lock_path, store_lock
from envbuild.net.offline import is_offline
from envbuild.own_code import built_code
from envbuild.solve.options import SolveOptions
from envbuild.workspace.environments import RegisteredEnvironment, main_file
from envbuild.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedEnvironment:
    """A registered environment with its lock. `root` is where its relative paths start; `moved` what an update changed."""

    definition: Definition
    lock: Lock
    root: Path
    moved: LockDiff | None = None

    def plan(self, platform: str = "", *, allow_unpinned_base: bool = False, progress: Progress = SILENT) -> Plan:
        """Return the plan of its image; the source code that it names is built where it changed."""
        return make_plan(
            self.definition,
            self.lock,
            platform,
            code=self.code(progress),
            allow_unpinned_base=allow_unpinned_base,
        )

    def code(self, progress: Progress = SILENT) -> tuple[Code, ...]:
        """Return the source code that it names, each folder as a wheel."""
        return built_code(self.definition, self.root, self.lock, progress=progress)

    def install(self, progress: Progress) -> LocalEnvironment:
        """Install it as a prefix on this machine, or return the one that is there."""
        return api.install(
            self.lock, definition=self.definition, root=self.root, code=self.code(progress), progress=progress
        )


def read(workspace: Workspace, stored: RegisteredEnvironment) -> Definition:
    """Return the definition of a registered environment, without Azure's own packages, which envbuild's stand in for.

    Raises:
        DefinitionError: it is not understood.
    """
    definition = api.read_definition(main_file(workspace, stored))
    kept = tuple(one for one in definition.pip if one.name not in REPLACED)
    conda = tuple(one for one in definition.conda if one.name not in REPLACED)
    left_out = [(one.origin, one.text) for one in definition.pip if one.name in REPLACED]
    left_out += [(one.origin, one.text) for one in definition.conda if one.name in REPLACED]
    notes = tuple(
        origin.problem(f"{text} is left out: envbuild has its imports of the same names") for origin, text in left_out
    )
    # an image or a build context of v2 without packages is taken as it is
    own = definition.user_managed or (definition.kind == "azure-v2" and not (kept or conda))
    return replace(definition, pip=kept, conda=conda, user_managed=own, notes=(*definition.notes, *notes))


def locked(
    workspace: Workspace,
    stored: RegisteredEnvironment,
    *,
    update: bool = False,
    options: SolveOptions | None = None,
    progress: Progress = SILENT,
) -> LockedEnvironment:
    """Return the environment with its lock: the one beside it, made on first use, or made anew with `update`.

    Two processes that ask at once make one lock.

    Raises:
        DefinitionError, SolveError, NetworkError: there is no lock, and none can be made.
    """
    provide_variables(stored.name)
    path = main_file(workspace, stored)
    with exclusive(path.parent / ".solve.lock"):
        definition = read(workspace, stored)
        found = find_lock(path)
        previous = load_lock(found) if found is not None else None
        if previous is not None and not update and freshness(definition, previous).fresh:
            return LockedEnvironment(definition=definition, lock=previous, root=path.parent)
        wishes = options or SolveOptions(update_all=update, update_base=update, offline=is_offline())
        answer = api.solve(definition, path, previous=previous, options=wishes, progress=progress)
        store_lock(lock_path(path, answer), answer)
    moved = diff_locks(previous, answer) if previous is not None else None
    return LockedEnvironment(definition=definition, lock=answer, root=path.parent, moved=moved)

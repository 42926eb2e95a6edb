"""Model triggers: a newly registered version of a model runs a command, or deploys what a deployment's file says."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild import programs
from envbuild.azureml.records import Record, now
from envbuild.core.errors import DefinitionError, WorkspaceError

if TYPE_CHECKING:
    from envbuild.workspace.models import RegisteredModel
    from envbuild.workspace.workspace import Workspace

KIND = "trigger"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What happens when `model` (empty: any) gets a version with all of `tags`: `command` is given to `/bin/sh`."""

    name: str
    command: str
    folder: str
    model: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def fits(self, model: RegisteredModel) -> bool:
        """Tell whether the trigger is for `model`."""
        return self.model in ("", model.name) and all(model.tags.get(key) == value for key, value in self.tags.items())


def add_trigger(
    workspace: Workspace,
    name: str,
    *,
    model: str = "",
    command: str = "",
    deploy: Path | None = None,
    tags: Mapping[str, str] | None = None,
) -> Trigger:
    """Keep a trigger, in the place of one of that name. `deploy` is a v2 deployment; its model is best written `azureml:name@latest`.

    Commands start in the current folder and find `MODEL_NAME`, `MODEL_VERSION` and `MODEL_ID` in their environment.

    Raises:
        DefinitionError: the name is not accepted, or not one of `command` and `deploy` is given; or the deployment's file is wrong.
    """
    if not _NAME.fullmatch(name):
        raise DefinitionError(f"{name!r} cannot name a trigger", hint="letters, digits, '_', '.', '-'; 63 at most")
    if bool(command) == (deploy is not None):
        raise DefinitionError("a trigger runs one thing", hint="give a command, or a deployment's file")
    if deploy is not None:
        from envbuild.azureml.endpoints.deployment_yaml import read_deployments

        read_deployments(deploy)
        command = shlex.join([sys.executable, "-m", "envbuild", "deploy", str(deploy.resolve())])
    made = Trigger(name=name, command=command, folder=str(Path.cwd()), model=model, tags=dict(tags or {}))
    values = {"model": made.model, "command": made.command, "folder": made.folder, "tags": dict(made.tags)}
    Record(workspace, KIND, name).change(**values, created=now(), last={}, fired={})
    return made


def triggers(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the triggers by name, each with what became of its last run (`model`, `status`, `code`, `log`)."""
    return [{"name": name, **values} for name, values in workspace.catalogue.records(KIND).items()]


def remove_trigger(workspace: Workspace, name: str) -> None:
    """Forget a trigger; what it started runs on.

    Raises:
        WorkspaceError: there is none.
    """
    _get(workspace, name)
    workspace.catalogue.delete_record(KIND, name)


def fire(workspace: Workspace, model: RegisteredModel) -> list[str]:
    """Start what is to happen for `model`, each in a process of its own, and return the triggers' names.

    A version that is older than the trigger, or for which it ran already, starts nothing: registering the same again is safe.
    """
    fitting = [
        name
        for name, values in workspace.catalogue.records(KIND).items()
        if _get(workspace, name).fits(model) and _is_new(model, values)
    ]
    for name in fitting:
        fired: dict[str, int] = Record(workspace, KIND, name).values["fired"]
        log = _log(workspace, name, model.id)
        log.parent.mkdir(parents=True, exist_ok=True)
        # the process outlives the one that registered, and says how the command ended
        argv = [sys.executable, "-m", "envbuild", "trigger", "run", name, model.id, "-w", str(workspace.folder)]
        last = {"model": model.id, "status": "Running", "log": str(log), "started": now()}
        # before it starts: what it says of its end must not be overwritten
        Record(workspace, KIND, name).change(fired={**fired, model.name: model.version}, last=last)
        programs.start(argv, log=log, cwd=workspace.folder.parent)
    return fitting


def _is_new(model: RegisteredModel, values: Mapping[str, Any]) -> bool:
    return bool(model.created > values["created"] and model.version > values["fired"].get(model.name, 0))


def run_trigger(workspace: Workspace, name: str, model: RegisteredModel) -> int:
    """Run a trigger's command for `model` to its end, keep what became of it, and return its exit code.

    Raises:
        WorkspaceError: there is no such trigger.
    """
    trigger = _get(workspace, name)
    variables = {"MODEL_NAME": model.name, "MODEL_VERSION": str(model.version), "MODEL_ID": model.id}
    log = _log(workspace, name, model.id)
    log.parent.mkdir(parents=True, exist_ok=True)
    argv = ["/bin/sh", "-c", trigger.command]
    process = programs.start(argv, log=log, cwd=Path(trigger.folder), env={**os.environ, **variables})
    code = process.wait()
    last = {"model": model.id, "status": "Failed" if code else "Succeeded", "code": code, "log": str(log)}
    Record(workspace, KIND, name).change(last={**last, "ended": now()})
    return code


def _get(workspace: Workspace, name: str) -> Trigger:
    values: dict[str, Any] | None = workspace.catalogue.record(KIND, name)
    if values is None:
        raise WorkspaceError(f"there is no trigger {name} in this workspace", hint="`envbuild trigger list`")
    return Trigger(
        name=name,
        command=values["command"],
        folder=values["folder"],
        model=values["model"],
        tags=values["tags"],
    )


def _log(workspace: Workspace, name: str, model: str) -> Path:
    return workspace.folder / "triggers" / name / f"{model.replace(':', '-')}.log"

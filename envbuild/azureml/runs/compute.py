"""Compute targets: names that scripts give to clusters, and what stands for each here: this machine, a container, a Ray cluster."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envbuild.core.errors import WorkspaceError

if TYPE_CHECKING:
    from envbuild.azureml.workspace import Workspace

ComputeTargetException = WorkspaceError

_SETTING = "compute_targets"


@dataclass(frozen=True, slots=True)
class ProvisioningConfiguration:
    """What stands for a cluster: a target of a run. What else Azure asks for (sizes, nodes) has no effect."""

    target: str = "local"


class ComputeTarget:
    """A name for a target of runs, kept in the workspace's settings."""

    type = "AmlCompute"
    provisioning_state = "Succeeded"
    provisioning_errors = None

    def __init__(self, workspace: Workspace, name: str) -> None:
        """Look a name up.

        Raises:
            WorkspaceError: the workspace has no such name.
        """
        self.workspace, self.name = workspace, name
        if name not in targets(workspace):
            raise WorkspaceError(
                f"there is no compute target {name!r} in this workspace",
                hint="ComputeTarget.create(workspace, name, AmlCompute.provisioning_configuration(target=…)) makes one",
            )

    @property
    def target(self) -> str:
        """What stands for it: `local`, `docker`, or the address of a Ray cluster."""
        return targets(self.workspace)[self.name]

    @staticmethod
    def create(
        workspace: Workspace, name: str, provisioning_configuration: ProvisioningConfiguration | None = None
    ) -> ComputeTarget:
        """Give a name to a target, in the place of what had it."""
        chosen = provisioning_configuration or ProvisioningConfiguration()
        workspace.core.change_settings(**{_SETTING: {**targets(workspace), name: chosen.target}})
        return ComputeTarget(workspace, name)

    @staticmethod
    def list(workspace: Workspace) -> list[ComputeTarget]:
        """Return all that have a name."""
        return [ComputeTarget(workspace, name) for name in targets(workspace)]

    def wait_for_completion(self, show_output: bool = False, **_ignored: Any) -> None:
        """Azure makes machines here; a name is there at once."""
        if show_output:
            sys.stdout.write(f"{self.name}: {self.provisioning_state}\n")

    def get_status(self) -> ComputeTarget:
        """Return this: its state never changes."""
        return self

    def serialize(self) -> dict[str, Any]:
        """Return what is known."""
        return {"name": self.name, "computeType": self.type, "target": self.target, "state": self.provisioning_state}

    def delete(self) -> None:
        """Forget the name."""
        left = {name: target for name, target in targets(self.workspace).items() if name != self.name}
        self.workspace.core.change_settings(**{_SETTING: left or None})

    def __repr__(self) -> str:
        return f"{self.type}(workspace={self.workspace!r}, name={self.name!r}, target={self.target!r})"


class AmlCompute(ComputeTarget):
    """A cluster, as scripts ask for it."""

    @staticmethod
    def provisioning_configuration(
        vm_size: str = "", *, target: str = "local", **_ignored: Any
    ) -> ProvisioningConfiguration:
        """Return what stands for the cluster: `target` is one of a run's; the size and number of machines have no effect."""
        del vm_size
        return ProvisioningConfiguration(target)


class ComputeInstance(AmlCompute):
    """A machine, as scripts ask for it."""

    type = "ComputeInstance"


def targets(workspace: Workspace) -> Mapping[str, str]:
    """Return what stands for each name, from the workspace's setting `compute_targets`."""
    found = workspace.core.settings.get(_SETTING)
    return {str(name): str(target) for name, target in found.items()} if isinstance(found, dict) else {}

"""v2's YAML of a model: read, checked, registered."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from envbuild.core.errors import Problem
from envbuild.read.findings import Findings, fatal
from envbuild.read.nodes import Node, only_keys, table, text
from envbuild.read.yaml_nodes import read_yaml
from envbuild.workspace.models import RegisteredModel, change_model, register_model
from envbuild.workspace.workspace import Workspace

KEYS = (
    *("$schema", "name", "version", "path", "type", "description", "tags", "properties", "stage", "flavors"),
    *("datastore", "job_name"),
)
KINDS = ("custom_model", "mlflow_model", "triton_model")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAsset:
    """A v2 model. `version` 0 is the next one; `path` is a file or folder of this machine."""

    name: str
    path: Path
    version: int = 0
    kind: str = "custom_model"
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    notes: tuple[Problem, ...] = ()


def read_model(file: Path) -> ModelAsset:
    """Return the model that the YAML `file` says; its path counts from the file.

    Raises:
        DefinitionError: every problem of the file.
    """
    findings = Findings()
    root = read_yaml(file, findings)
    if not root.is_map:
        raise fatal("is not a model: a map is needed", file=str(file))
    only_keys(root, KEYS, findings, what="a model")
    for key in ("stage", "flavors", "datastore", "job_name"):
        if root.has(key):
            findings.note(root.get(key).origin, "has no effect here")
    name, kind = text(root.get("name"), findings), text(root.get("type"), findings) or KINDS[0]
    if not name:
        findings.refuse(root.origin, "has no name:", "name: of the model")
    if kind not in KINDS:
        findings.refuse(root.get("type").origin, f"{kind!r} is not known", ", ".join(KINDS))
    path = _path(root.get("path"), root, file, findings)
    version = text(root.get("version"), findings)
    if version and not (version.isdecimal() and 0 < int(version) < 2**31):
        findings.refuse(
            root.get("version").origin, f"{version!r} is no version", "a whole number above 0, or none for the next"
        )
        version = ""
    found = ModelAsset(
        name=name,
        path=path,
        version=int(version or 0),
        kind=kind,
        description=text(root.get("description"), findings),
        tags={key: text(value, findings) for key, value in table(root.get("tags"), findings)},
        properties={key: text(value, findings) for key, value in table(root.get("properties"), findings)},
        notes=tuple(findings.notes),
    )
    findings.close()
    return found


def _path(node: Node, root: Node, file: Path, findings: Findings) -> Path:
    written = text(node, findings)
    path = file.parent / written.removeprefix("file:")
    if not written:
        findings.refuse(root.origin, "has no path:", "a file or a folder")
    elif written.startswith(("azureml:", "http:", "https:", "wasbs:", "abfss:", "runs:")):
        findings.refuse(node.origin, f"{written} is not on this machine", "download it, and name the path")
    elif not path.exists():
        findings.refuse(node.origin, f"{path} does not exist")
    return path


def create_model(workspace: Workspace, wanted: ModelAsset) -> RegisteredModel:
    """Register `wanted`; the same again, under its version or as the latest, changes its description and tags alone.

    Raises:
        WorkspaceError: the version exists with other files.
    """
    made = register_model(
        workspace,
        wanted.name,
        wanted.path,
        version=wanted.version or None,
        description=wanted.description,
        tags=wanted.tags,
        properties=wanted.properties,
    )
    if (made.description, dict(made.tags)) != (wanted.description, wanted.tags):
        made = change_model(workspace, made, description=wanted.description, tags=wanted.tags)
    return made

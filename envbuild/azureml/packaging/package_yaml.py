"""v2's YAML of a model package (`az ml model package`): read and checked; nothing is done yet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from envbuild.app import MOUNT
from envbuild.core.errors import Problem
from envbuild.read.azure_v2 import check_routes
from envbuild.read.findings import Findings, fatal
from envbuild.read.nodes import Node, line, only_keys, table, text
from envbuild.read.yaml_nodes import read_yaml

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")

Server = Literal["azureml_online", "custom", "triton"]

_KEYS = (
    *("$schema", "base_environment_source", "target_environment", "target_environment_name", "inferencing_server"),
    *("target_environment_version", "model_configuration", "inputs", "environment_variables", "tags", "properties"),
)
_SERVERS = ("azureml_online", "custom", "triton")
_ROUTES = ("liveness_route", "readiness_route", "scoring_route")
OUR_ROUTES = {
    "liveness_route": {"port": 5001, "path": "/"},
    "readiness_route": {"port": 5001, "path": "/"},
    "scoring_route": {"port": 5001, "path": "/score"},
}
"""Where an image with our server answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPackage:
    """What a package is made of. `base` refers to an environment of the workspace, empty for the one that comes with the model.

    `target` is the environment that it becomes, `version` None for the next one; `mount` the folder of the models in the image,
    empty for the usual one; `routes` are a server's own.
    """

    target: str
    version: str | None = None
    base: str = ""
    server: Server = "azureml_online"
    code: Path | None = None
    scoring_script: str = ""
    routes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    mount: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Problem, ...] = ()


def read_package(file: Path) -> WantedPackage:
    """Return what the YAML `file` says; its paths count from the file.

    Raises:
        DefinitionError: every problem of the file.
    """
    findings = Findings()
    root = read_yaml(file, findings)
    if not root.is_map or not root.has("inferencing_server"):
        raise fatal("is no package of a model: a map with inferencing_server: is needed", file=str(file))
    only_keys(root, _KEYS, findings, what="a package")
    target, version = _target(root, findings)
    server = _server(root.get("inferencing_server"), findings)
    code, script = _code(root.get("inferencing_server"), server, file, findings)
    routes = _own_routes(root.get("inferencing_server", "inference_configuration"), server, findings)
    if root.get("inputs"):
        findings.refuse(
            root.get("inputs").origin,
            "more than the model cannot be brought along",
            "put the files beside the scoring script, or make them part of the model",
        )
    if root.has("properties"):
        findings.note(root.get("properties").origin, "has no effect here")
    found = WantedPackage(
        target=target,
        version=version,
        base=_base(root.get("base_environment_source"), findings),
        server=server,
        code=code,
        scoring_script=script,
        routes=routes,
        mount=_mount(root.get("model_configuration"), findings),
        variables=_variables(root.get("environment_variables"), findings),
        tags={key: text(value, findings) for key, value in table(root.get("tags"), findings)},
        notes=tuple(findings.notes),
    )
    findings.close()
    return found


def _variables(node: Node, findings: Findings) -> dict[str, str]:
    found = {key: line(value, findings) for key, value in table(node, findings)}
    for key in found:
        if not _VARIABLE.fullmatch(key):
            findings.refuse(node.get(key).origin, f"{key!r} is no name of a variable", "letters, digits and _")
    return found


def _target(root: Node, findings: Findings) -> tuple[str, str | None]:
    node = root.get("target_environment")
    if node.is_map:
        only_keys(node, ("name", "version"), findings, what="target_environment")
        name, version = text(node.get("name"), findings), text(node.get("version"), findings)
    else:
        written = text(node, findings).strip() or text(root.get("target_environment_name"), findings).strip()
        name, _, version = written.removeprefix("azureml:").partition(":")
    if not name:
        findings.refuse(root.origin, "names no target_environment:", "name, or azureml:name:version")
    return name, version or text(root.get("target_environment_version"), findings) or None


def _base(node: Node, findings: Findings) -> str:
    if not node:
        return ""
    only_keys(node, ("type", "resource_id"), findings, what="base_environment_source")
    kind = text(node.get("type"), findings) or "environment_asset"
    if kind.lower().replace("_", "") not in ("environmentasset", "environment"):
        findings.refuse(node.get("type").origin, f"{kind!r} is not known", "environment_asset")
    reference = text(node.get("resource_id"), findings).strip()
    if not reference:
        findings.refuse(node.origin, "names no resource_id:", "azureml:name:version of an environment")
    return reference


def _server(node: Node, findings: Findings) -> Server:
    only_keys(node, ("type", "code_configuration", "inference_configuration"), findings, what="inferencing_server")
    kind = text(node.get("type"), findings).lower() or _SERVERS[0]
    if kind == "azureml_batch":
        hint = "a batch deployment names model, code and environment itself: envbuild batch"
        findings.refuse(node.get("type").origin, "batch scoring needs no package here", hint)
    elif kind not in _SERVERS:
        findings.refuse(node.get("type").origin, f"{kind!r} is not known", ", ".join(_SERVERS))
    return cast("Server", kind)


def _code(node: Node, server: Server, file: Path, findings: Findings) -> tuple[Path | None, str]:
    code = node.get("code_configuration")
    if not code:
        return None, ""
    if server != "azureml_online":
        findings.refuse(code.origin, f"a server of type {server} brings its own code", "leave it out")
    only_keys(code, ("code", "scoring_script"), findings, what="code_configuration")
    written = code.get("code")
    folder = file.parent / text(written.get("local_path") if written.is_map else written, findings)
    script = text(code.get("scoring_script"), findings)
    if not script.endswith(".py"):
        findings.refuse(code.origin, f"scoring_script: {script or 'nothing'}", "the Python file with init() and run()")
    elif not (folder / script).is_file():
        findings.refuse(code.origin, f"{folder / script} does not exist")
    return folder, script


def _own_routes(node: Node, server: Server, findings: Findings) -> dict[str, dict[str, object]]:
    if server == "azureml_online":
        if node:
            findings.refuse(node.origin, "our server answers where Azure's does", "type: custom for another server")
        return OUR_ROUTES
    routes = Node(value={key: value for key, value in node.items() if key in _ROUTES}, origin=node.origin)
    only_keys(node, (*_ROUTES, "entry_script"), findings, what="inference_configuration")
    if node.get("entry_script"):
        findings.note(node.get("entry_script").origin, "has no effect: the image starts as it does without us")
    check_routes(routes, findings)
    told = {name: routes.get(name) for name in _ROUTES}
    return {
        name: {"port": int(text(one.get("port"), findings) or 0), "path": text(one.get("path"), findings)}
        for name, one in told.items()
        if text(one.get("port"), findings).isdigit()
    }


def _mount(node: Node, findings: Findings) -> str:
    only_keys(node, ("mode", "mount_path"), findings, what="model_configuration")
    mode = text(node.get("mode"), findings).lower() or "copy"
    if mode not in ("copy", "download"):
        findings.refuse(node.get("mode").origin, f"{mode!r} is not known", "copy or download")
    if mode == "download":
        findings.note(node.get("mode").origin, "the model is in the image: it needs nobody to download it from")
    mount = text(node.get("mount_path"), findings).strip()
    if mount and not MOUNT.fullmatch(mount):
        findings.refuse(node.get("mount_path").origin, f"{mount!r} is no folder of a container", "an absolute path")
    return mount.rstrip("/")

"""`[tool.envbuild.image]`: how an image is made of the lock (docs/oci.md)."""

from __future__ import annotations

from typing import Literal, TypeVar

from envbuild.core.image_settings import (
    COMPRESSIONS,
    CONDA_INSTALLERS,
    MOST_LAYERS,
    PIP_INSTALLERS,
    ImageSettings,
)
from envbuild.read.findings import Findings
from envbuild.read.images import check_image
from envbuild.read.nodes import Node, flag, line, only_keys, table

KEYS = (
    "layers",
    "append-to",
    "compression",
    "bytecode",
    "attest",
    "check-imports",
    "code",
    "pip-installer",
    "conda-installer",
    "syntax",
)
"""Every key of `[tool.envbuild.image]`."""


def read_image_settings(node: Node, findings: Findings) -> ImageSettings:
    """Return what the table says; a value that cannot be is a problem."""
    table(node, findings)
    only_keys(node, KEYS, findings, what="[tool.envbuild.image]")
    earlier = line(node.get("append-to"), findings)
    syntax = line(node.get("syntax"), findings)
    for image, key in ((earlier, "append-to"), (syntax, "syntax")):
        if image:
            check_image(image, node.get(key).origin, findings)
    return ImageSettings(
        layers=_layers(node.get("layers"), findings),
        append_to=earlier,
        compression=_one_of(node.get("compression"), COMPRESSIONS, "compression of layers", findings),
        bytecode=_flag(node.get("bytecode"), findings),
        attest=_flag(node.get("attest"), findings),
        code=_flag(node.get("code"), findings),
        check_imports=_flag(node.get("check-imports"), findings),
        pip_installer=_one_of(node.get("pip-installer"), PIP_INSTALLERS, "installer of Python packages", findings),
        conda_installer=_one_of(node.get("conda-installer"), CONDA_INSTALLERS, "installer of conda packages", findings),
        syntax=syntax,
    )


def _flag(node: Node, findings: Findings) -> bool | None:
    return None if node.value is None else flag(node, findings)


def _layers(node: Node, findings: Findings) -> int | None:
    value = node.value
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_LAYERS:
        findings.refuse(node.origin, f"{value!r} is no number of layers", f"1 to {MOST_LAYERS}")
        return None
    return value


ChoiceT = TypeVar("ChoiceT", bound=str)


def _one_of(node: Node, accepted: tuple[ChoiceT, ...], what: str, findings: Findings) -> ChoiceT | Literal[""]:
    written = line(node, findings)
    found = next((one for one in accepted if one == written), None)
    if written and found is None:
        findings.refuse(node.origin, f"{written!r} is no {what}", f"accepted: {', '.join(accepted)}")
    return found or ""

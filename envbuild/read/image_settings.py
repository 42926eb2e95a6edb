"""`[tool.envbuild.image]`: how an image is made of the lock (docs/oci.md)."""

from __future__ import annotations

from typing import Literal

from envbuild.core.image_settings import COMPRESSIONS, MOST_LAYERS, Compression, ImageSettings
from envbuild.read.findings import Findings
from envbuild.read.images import check_image
from envbuild.read.nodes import Node, flag, line, only_keys, table

KEYS = ("layers", "append-to", "compression", "bytecode", "attest")
"""Every key of `[tool.envbuild.image]`."""


def read_image_settings(node: Node, findings: Findings) -> ImageSettings:
    """Return what the table says; a value that cannot be is a problem."""
    table(node, findings)
    only_keys(node, KEYS, findings, what="[tool.envbuild.image]")
    earlier = line(node.get("append-to"), findings)
    if earlier:
        check_image(earlier, node.get("append-to").origin, findings)
    return ImageSettings(
        layers=_layers(node.get("layers"), findings),
        append_to=earlier,
        compression=_compression(node.get("compression"), findings),
        bytecode=_flag(node.get("bytecode"), findings),
        attest=_flag(node.get("attest"), findings),
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


def _compression(node: Node, findings: Findings) -> Compression | Literal[""]:
    written = line(node, findings)
    found = next((one for one in COMPRESSIONS if one == written), None)
    if written and found is None:
        findings.refuse(node.origin, f"{written!r} is no compression of layers", f"accepted: {', '.join(COMPRESSIONS)}")
    return found or ""

"""`attestations` of `[tool.envbuild]`: which distributions must be attested, and by whom (PEP 740)."""

from __future__ import annotations

from envbuild.core.attestation_policy import ACCEPTED, EVERY, Policy, is_wish
from envbuild.core.names import is_distribution, normalize
from envbuild.read.findings import Findings
from envbuild.read.nodes import Node, table, text


def read_attestations(node: Node, findings: Findings) -> Policy:
    """Return the policy: a wish for all, or a table of names (`*` is every other) and wishes; what cannot be is a problem."""
    if node.value is None:
        return ()
    pairs = [(EVERY, node)] if isinstance(node.value, str) else list(table(node, findings))
    return tuple(_pair(name, value, findings) for name, value in pairs)


def _pair(name: str, node: Node, findings: Findings) -> tuple[str, str]:
    wish = text(node, findings).strip()
    if name != EVERY and not is_distribution(name):
        findings.refuse(
            node.origin, f"{name!r} is not the name of a Python distribution", "a name, or * for all others"
        )
    if not is_wish(wish):
        findings.refuse(node.origin, f"{wish!r} is not what can be wished of attestations", f"accepted: {ACCEPTED}")
    return name if name == EVERY else normalize(name), wish

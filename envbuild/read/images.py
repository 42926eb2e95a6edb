"""Image references (OCI distribution specification; the grammar that Docker's `reference` package made usual)."""

from __future__ import annotations

import re

from envbuild.core.definition import Origin
from envbuild.read.findings import Findings

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_IMAGE = re.compile(
    rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
)


_LOGIN = re.compile(r"[^/@]*:[^/@]*@(?!sha\d+:)")


def is_image(reference: str) -> bool:
    """Tell whether `reference` is `name`, `name:tag`, `host/name:tag` or any of them with a digest."""
    return len(reference) < 512 and _IMAGE.fullmatch(reference) is not None


def why_not_image(reference: str) -> str:
    """Return what is wrong with `reference`."""
    if _LOGIN.match(reference):
        return f"{_LOGIN.sub('***@', reference)!r} holds a credential, which an image reference never does"
    if "{{" in reference:
        return f"{reference!r} is a template that has yet to be filled in"
    if "://" in reference:
        return f"{reference!r} is a URL; an image reference has no scheme"
    return f"{reference!r} is not an image reference"


def check_image(image: str, at: Origin, findings: Findings) -> None:
    """Refuse what cannot be an image reference."""
    if not is_image(image):
        findings.refuse(at, why_not_image(image), "write name:tag, host/name:tag or name@sha256:…")

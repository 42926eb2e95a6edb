"""An image's configuration (OCI image specification 1.1, "Image Configuration"), held against the types that the specification gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from envbuild.core.errors import IntegrityError


def check_config(document: dict[str, Any], place: str) -> dict[str, Any]:
    """Return `document`, an image's configuration, when all that envbuild reads of it has the type that it must have.

    Raises:
        IntegrityError: something has not; all of it is named.
    """
    wrong = [f"{name} is not {what}" for name, what, fits in _PARTS if not fits(_at(document, name))]
    if wrong:
        raise IntegrityError(f"{place}: {', '.join(wrong)}")
    return document


def _at(document: Mapping[str, Any], name: str) -> object:
    value: Any = document
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _texts(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(one, str) for one in value))


def _objects(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(one, dict) for one in value))


def _object(value: object) -> bool:
    return value is None or isinstance(value, dict)


def _text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _labels(value: object) -> bool:
    return value is None or (isinstance(value, dict) and all(isinstance(one, str) for one in value.values()))


_PARTS: tuple[tuple[str, str, Callable[[object], bool]], ...] = (
    ("config", "an object", _object),
    ("rootfs", "an object", _object),
    ("history", "a list of objects", _objects),
    ("rootfs.diff_ids", "a list of texts", _texts),
    ("config.Env", "a list of texts", _texts),
    ("config.Labels", "an object of texts", _labels),
    ("config.ExposedPorts", "an object", _object),
    *((f"config.{name}", "a list of texts", _texts) for name in ("Entrypoint", "Cmd")),
    *((f"config.{name}", "a text", _text) for name in ("User", "WorkingDir")),
    *((name, "a text", _text) for name in ("os", "architecture", "variant")),
)

"""How environments are referred to: `azureml:name:version`, `name:version`, `name@label`, `name`."""

from __future__ import annotations

import re

from envbuild.core.errors import WorkspaceError

_REFERENCE = re.compile(
    r"(?:azureml:)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)(?::(?P<version>[A-Za-z0-9_][A-Za-z0-9_.+-]*)|@(?P<label>[^@:\s]+))?"
)
_RESOURCE = re.compile(
    r"(?:azureml:)?(?:azureml)?/.*/environments/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+)|/labels/(?P<label>[^/]+))?"
)


def parse_reference(text: str) -> tuple[str, str | None, str]:
    """Return the name, the version (None where it is open) and the label (empty where there is none).

    The name and version at the end of an Azure resource id, or of `azureml://registries/…`, are looked up here too.

    Raises:
        WorkspaceError: it is not a reference.
    """
    found = _REFERENCE.fullmatch(text.strip()) or _RESOURCE.fullmatch(text.strip().replace("azureml://", "azureml:/"))
    if found is None:
        raise WorkspaceError(
            f"{text!r} is not a reference to an environment", hint="azureml:name:version, name@latest, or name"
        )
    return found["name"], found["version"], found["label"] or ""

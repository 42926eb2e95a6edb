"""The import names that documented scoring scripts use, for images that do not hold the packages that own them.

The folders beside this file look like those packages. They are found by two finders on sys.meta_path: the request
and response types are always ours, because the server acts on them; everything else only where nothing else has it.
A script that was migrated by writing `envbuild.azureml` for `azureml` finds the same modules.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Sequence

_FOLDER = Path(__file__).parent
ALWAYS_OURS = frozenset(
    (
        "azureml.contrib.services.aml_request",
        "azureml.contrib.services.aml_response",
        "azureml_inference_server_http.api.aml_request",
        "azureml_inference_server_http.api.aml_response",
    )
)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules in this folder: those named, or all."""

    def __init__(self, names: frozenset[str] = frozenset()) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module that lies in this folder."""
        del path, target
        if fullname == "envbuild" and not self._names:
            return ModuleSpec(fullname, None, is_package=True)
        name = fullname[len("envbuild.") :] if fullname.startswith("envbuild.azureml") else fullname
        if self._names and name not in self._names:
            return None
        place = _FOLDER.joinpath(*name.split("."))
        if (place / "__init__.py").is_file():
            return importlib.util.spec_from_file_location(
                fullname, place / "__init__.py", submodule_search_locations=[str(place)]
            )
        file = place.with_suffix(".py")
        return importlib.util.spec_from_file_location(fullname, file) if file.is_file() else None


def install() -> None:
    """Make the names importable. Calling it again changes nothing."""
    from .. import http_types  # noqa: TID252 - this folder has no absolute name

    # The shim files are outside our package's name; they find the types under a name that they can rely on.
    sys.modules["_serving_http_types"] = http_types
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(ALWAYS_OURS))
        sys.meta_path.append(_Finder())

"""Scripts that say `azureml` get `envbuild.azureml`: the same modules under both names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType


class _Alias(MetaPathFinder, Loader):
    def __init__(self) -> None:
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname != "azureml" and not fullname.startswith("azureml."):
            return None
        real = find_spec(f"envbuild.{fullname}")
        if real is None:
            raise ModuleNotFoundError(f"envbuild has no {fullname}", name=fullname)
        return ModuleSpec(fullname, self, is_package=real.submodule_search_locations is not None)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(f"envbuild.{spec.name}")
        self._specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # the import system wrote the alias into the module, which has run already under its own name
        name = module.__name__.removeprefix("envbuild.")
        module.__spec__ = self._specs.pop(name, None)


def install_alias() -> None:
    """Let this process import `azureml…` from `envbuild.azureml…`, in the place of an installed azureml; once is enough."""
    if not any(isinstance(one, _Alias) for one in sys.meta_path):
        sys.meta_path.insert(0, _Alias())

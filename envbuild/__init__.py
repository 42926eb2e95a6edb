"""envbuild: from an environment definition to a pinned lock, a reproducible image, and a model's service."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Definition": "envbuild.core.definition",
    "EnvbuildError": "envbuild.core.errors",
    "Lock": "envbuild.core.lock",
    "Plan": "envbuild.core.plan",
    "Progress": "envbuild.core.progress",
    "check": "envbuild.api",
    "image": "envbuild.api",
    "load_lock": "envbuild.lockfile",
    "lock": "envbuild.api",
    "package": "envbuild.api",
    "plan": "envbuild.api",
    "read_definition": "envbuild.api",
    "write_context": "envbuild.api",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    # imported on first use, so that `import envbuild` costs next to nothing
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'envbuild' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)

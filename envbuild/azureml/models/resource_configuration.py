"""`ResourceConfiguration`: what a service of a model needs."""

from __future__ import annotations

from dataclasses import dataclass

from envbuild.core.errors import DefinitionError


@dataclass(slots=True)
class ResourceConfiguration:
    """CPUs, memory in GB, and GPUs."""

    cpu: float | None = None
    memory_in_gb: float | None = None
    gpu: int | None = None

    def __post_init__(self) -> None:
        for name in ("cpu", "memory_in_gb", "gpu"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
                raise DefinitionError(f"{name} is {value!r}; a number above 0 is needed")

    def serialize(self) -> dict[str, float | int | None]:
        """Return the parts with Azure's keys."""
        return {"cpu": self.cpu, "memoryInGB": self.memory_in_gb, "gpu": self.gpu}

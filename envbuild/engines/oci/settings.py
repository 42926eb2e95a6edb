"""How the oci engine assembles."""

from __future__ import annotations

from dataclasses import dataclass

from envbuild.core.image_settings import DEFAULT_LAYERS, Compression, ImageSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class OciSettings:
    """How an image is assembled.

    `layers` is how many layers packages share, 1 to 100; `append_to` names an earlier image (in the store, or in a
    registry) whose layers stay where they are; `bytecode` compiles modules; `load` hands the image to a docker engine too,
    where one answers (None: unless another output is named); `workers` are threads, 0 for as many as fit this machine;
    `check_imports` imports every module in the end.
    """

    layers: int = DEFAULT_LAYERS
    append_to: str = ""
    bytecode: bool = True
    compression: Compression = "gzip"
    load: bool | None = None
    workers: int = 0
    check_imports: bool = False

    @classmethod
    def of(cls, said: ImageSettings) -> OciSettings:
        """Return what a person said, and the defaults for the rest."""
        return cls(
            layers=DEFAULT_LAYERS if said.layers is None else said.layers,
            append_to=said.append_to,
            bytecode=said.bytecode is not False,
            compression=said.compression or "gzip",
            check_imports=bool(said.check_imports),
        )

    @property
    def wording(self) -> str:
        """What of it shows in the image, in one line."""
        code = "bytecode" if self.bytecode else "no bytecode"
        appended = f", appended to {self.append_to}" if self.append_to else ""
        return f"{self.compression}, {self.layers} layers, {code}{appended}"

"""What a person may say about assembling."""

from __future__ import annotations

from dataclasses import dataclass

from envbuild.engines.oci.compression import Compression

DEFAULT_LAYERS, MOST_LAYERS = 14, 100
"""Layers of packages: the default, and the most; engines have a limit of 127 for the whole image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OciSettings:
    """How an image is assembled.

    `layers` is how many layers packages share, 1 to 100; `append_to` names an earlier image (in the store, or in a
    registry) whose layers stay where they are; `bytecode` compiles modules; `attest` adds an SBOM and the provenance as
    referrers; `load` hands the image to a docker engine too, where one answers (None: unless another output is named).
    """

    layers: int = DEFAULT_LAYERS
    append_to: str = ""
    bytecode: bool = True
    compression: Compression = "gzip"
    attest: bool = False
    load: bool | None = None
    workers: int = 0

    @property
    def wording(self) -> str:
        """What of it shows in the image, in one line."""
        code = "bytecode" if self.bytecode else "no bytecode"
        appended = f", appended to {self.append_to}" if self.append_to else ""
        return f"{self.compression}, {self.layers} layers, {code}{appended}"

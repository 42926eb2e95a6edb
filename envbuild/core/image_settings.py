"""What a person may say about how an image is made of its lock. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

DEFAULT_LAYERS, MOST_LAYERS = 14, 100
"""Layers of packages: the default, and the most; engines have a limit of 127 for the whole image."""

Compression = Literal["gzip", "zlib", "zstd", "none"]
"""`gzip` is the fast one; `zlib` the standard library's, which every machine has; both give gzip files."""

COMPRESSIONS: tuple[Compression, ...] = get_args(Compression)

PipInstaller = Literal["uv", "pip"]
CondaInstaller = Literal["rattler", "conda", "micromamba"]
PIP_INSTALLERS: tuple[PipInstaller, ...] = get_args(PipInstaller)
CONDA_INSTALLERS: tuple[CondaInstaller, ...] = get_args(CondaInstaller)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """How an image is made of the lock, as a person said it; None and empty texts are left to the engine.

    `layers` is how many layers packages share, `append_to` an earlier image whose layers stay where they are, `compression`
    that of layers, `bytecode` whether modules are compiled: all of the oci engine. `pip_installer` and `conda_installer` say
    what installs packages in a Dockerfile (`conda` and `micromamba` are the base's own), `syntax` is the frontend image of
    its `# syntax=` line; the files that they give are the same, so nothing of it is in any key. `attest` adds a bill of materials and the
    provenance to what is pushed, `check_imports` imports every module once the image is built, whatever engine built it. `code` says whether the code of the folders that the definition names is in
    the image (it is, unless this is false).
    """

    layers: int | None = None
    append_to: str = ""
    compression: Compression | Literal[""] = ""
    bytecode: bool | None = None
    attest: bool | None = None
    code: bool | None = None
    check_imports: bool | None = None
    pip_installer: PipInstaller | Literal[""] = ""
    conda_installer: CondaInstaller | Literal[""] = ""
    syntax: str = ""

    def over(self, other: ImageSettings) -> ImageSettings:
        """Return these settings, and those of `other` where these say nothing."""
        return ImageSettings(
            layers=other.layers if self.layers is None else self.layers,
            append_to=self.append_to or other.append_to,
            compression=self.compression or other.compression,
            bytecode=other.bytecode if self.bytecode is None else self.bytecode,
            attest=other.attest if self.attest is None else self.attest,
            code=other.code if self.code is None else self.code,
            check_imports=other.check_imports if self.check_imports is None else self.check_imports,
            pip_installer=self.pip_installer or other.pip_installer,
            conda_installer=self.conda_installer or other.conda_installer,
            syntax=self.syntax or other.syntax,
        )

    @property
    def assembles(self) -> bool:
        """Whether it says something that only the oci engine can do."""
        return self.layers is not None or bool(self.append_to or self.compression) or self.bytecode is not None

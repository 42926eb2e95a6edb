"""Questions to the conda side, short to write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from envbuild.core.definition import CondaSpec, Definition, Origin
from envbuild.core.lock import CondaPackage
from envbuild.read.matchspec import parse_matchspec
from envbuild.solve.channels import effective_channels
from envbuild.solve.conda import CondaAnswer, CondaRequest, CondaSolver
from envbuild.solve.options import SolveOptions
from envbuild.solve.virtual import virtual_packages
from tests.solve.asking import requirement


def spec(text: str, line: int = 1) -> CondaSpec:
    """Return the spec that `text` is, as line `line` of `environment.yml`."""
    return parse_matchspec(text, Origin(file="environment.yml", line=line)).spec


def specs(*texts: str) -> tuple[CondaSpec, ...]:
    return tuple(spec(text, line) for line, text in enumerate(texts, 1))


def request(*texts: str, channels: Sequence[str], platform: str = "linux-64", **fields) -> CondaRequest:
    asked = specs(*texts)
    return CondaRequest(
        platform=platform,
        specs=asked,
        channels=effective_channels(channels, asked),
        virtual_packages=virtual_packages(platform, fields.pop("virtual", ())),
        **fields,
    )


def answer(*requests: CondaRequest, folder: Path | str = ".", **options) -> tuple[CondaAnswer, ...]:
    """Return the answers of a solver's process of their own."""
    with CondaSolver() as solver:
        solver.open(SolveOptions(**options), Path(folder))
        return solver.solve(requests)


def solve(*texts: str, channels: Sequence[str], folder: Path | str = ".", **fields) -> dict[str, CondaPackage]:
    """Return the packages of one platform by name."""
    options = {name: fields.pop(name) for name in ("offline", "mirrors") if name in fields}
    (found,) = answer(request(*texts, channels=channels, **fields), folder=folder, **options)
    return {one.name: one for one in found.packages}


def versions(packages: dict[str, CondaPackage]) -> dict[str, str]:
    return {name: one.version for name, one in packages.items()}


def definition(
    *texts: str, channels: Sequence[str], pip: Sequence[str] = (), platforms: Sequence[str] = ("linux-64",), **fields
) -> Definition:
    """Return the definition of an `environment.yml` with these lines; its base needs no network."""
    from envbuild.core.definition import Base

    asked = specs(*texts)
    python = next((one.version for one in asked if one.name == "python"), "")
    return Definition(
        kind="conda",
        channels=tuple(channels),
        conda=asked,
        python=fields.pop("python", python),
        pip=tuple(requirement(text, line) for line, text in enumerate(pip, 20)),
        platforms=tuple(platforms),
        base=fields.pop("base", Base(image=PINNED_BASE)),
        origin=Origin(file="environment.yml"),
        **fields,
    )


PINNED_BASE = "registry.example/ubuntu:22.04@sha256:" + "ab" * 32
"""A base whose digest is written and whose name tells its release: nobody has to be asked for it."""

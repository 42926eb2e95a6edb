"""The names of the environments that one file holds."""

from __future__ import annotations

from pathlib import Path

from envbuild.read.nodes import Node
from envbuild.read.sources import Files
from envbuild.read.text import decode
from envbuild.read.toml_nodes import parse_toml


def environment_names(path: Path) -> tuple[str, ...]:
    """Return the names of the environments in `path`, in written order; empty is the name of the one that needs none.

    Several stand only in `[tool.envbuild.environments]` and in pixi's `environments`.

    Raises:
        DefinitionError: the file cannot be read, or is not TOML though its name says so.
    """
    if path.suffix != ".toml":
        return ("",)
    root = parse_toml(decode(Files(path.parent)(path.name), path.name), path.name)
    if root.get("tool", "envbuild").is_map:
        from envbuild.read.tool_envbuild import environments

        return environments(root)
    pixi = root if path.name == "pixi.toml" else root.get("tool", "pixi")
    return ("", *_further(pixi))


def _further(pixi: Node) -> tuple[str, ...]:
    return tuple(name for name, _ in pixi.get("environments").items() if name != "default")

"""How a build goes, in BuildKit's words: what `image`, `package` and `bake` let a person say alike."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envbuild.engines.protocol import BuildOptions

_SWITCHES = {
    "--no-cache": "build every step again",
    "--pull": "ask the registry for the base image",
    "--push": "push every --tag",
    "--load": "load the result into docker, where a builder keeps it elsewhere",
}

_REPEATABLE = {
    "--build-arg": ("NAME=VALUE", "an ARG of the build; it is in no key"),
    "--cache-from": ("SPEC", "where layers may come from: type=registry,ref=…"),
    "--cache-to": ("SPEC", "where layers are put: type=registry,ref=…,mode=max"),
    "--ssh": ("AGENT", "an agent or key that build steps may use: default"),
    "--secret": ("ID=FILE", "a build secret: ca, netrc, pip.conf, uv.toml"),
}

_VALUES = {
    "--builder": ("NAME", "a buildx builder"),
    "--network": ("MODE", "the network of build steps (host, none)"),
}


def add_build_options(group: argparse._ArgumentGroup) -> None:
    """Add the options of a build to `group`."""
    for name, text in _SWITCHES.items():
        group.add_argument(name, action="store_true", help=text)
    for name, (metavar, text) in _REPEATABLE.items():
        group.add_argument(name, action="append", default=[], metavar=metavar, help=text)
    for name, (metavar, text) in _VALUES.items():
        group.add_argument(name, default="", metavar=metavar, help=text)


def build_options(arguments: argparse.Namespace) -> BuildOptions:
    """Return what parsed arguments say of a build; `target` and `output` are not options of every command.

    Raises:
        UsageError: a value is not understood.
    """
    from envbuild.engines.protocol import BuildOptions

    return BuildOptions(
        no_cache=arguments.no_cache,
        pull=arguments.pull,
        build_args=tuple(_pairs(arguments.build_arg, "--build-arg")),
        target=arguments.target,
        cache_from=tuple(arguments.cache_from),
        cache_to=tuple(arguments.cache_to),
        output=arguments.output,
        push=arguments.push,
        load=arguments.load,
        ssh=tuple(arguments.ssh),
        network=arguments.network,
        builder=arguments.builder,
    )


def secrets(arguments: argparse.Namespace) -> dict[str, Path]:
    """Return the file of each secret that parsed arguments name.

    Raises:
        UsageError: one is not `ID=FILE`.
    """
    return {name: Path(file) for name, file in _pairs(arguments.secret, "--secret")}


def _pairs(texts: Sequence[str], option: str) -> Iterator[tuple[str, str]]:
    """Yield each `NAME=VALUE` of `option` as a pair."""
    from envbuild.core.errors import UsageError

    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise UsageError(f"{option} {text!r} is not NAME=VALUE")
        yield name, value

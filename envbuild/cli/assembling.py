"""What `image` and `package` say about how the image is made of the lock: for which platforms, in which layers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from envbuild.cli.dockerfile import dockerfile_settings

if TYPE_CHECKING:
    from envbuild.core.image_settings import ImageSettings


def add_assembling(parser: argparse.ArgumentParser) -> None:
    """Add the options; the words for the oci engine choose it where no engine is named."""
    from envbuild.core.image_settings import COMPRESSIONS, DEFAULT_LAYERS, MOST_LAYERS

    group = parser.add_argument_group("assembling (oci engine)")
    group.add_argument(
        "--layers",
        type=int,
        metavar="N",
        help=f"how many layers packages share, 1 to {MOST_LAYERS} (default: {DEFAULT_LAYERS})",
    )
    group.add_argument(
        "--append-to",
        default="",
        metavar="IMAGE",
        help="an earlier image, here or in a registry: its layers stay where they are, what is new comes on top",
    )
    group.add_argument("--compression", default="", choices=COMPRESSIONS, help="of layers (default: gzip)")
    group.add_argument(
        "--bytecode",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="compile modules (default), or leave them as they are",
    )
    parser.add_argument_group("check").add_argument(
        "--check-imports",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="import every module of the packages once the image is built, by any engine, and say what is missing",
    )
    parser.add_argument_group("registry").add_argument(
        "--attest",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="with --push, by any engine: push an SBOM (CycloneDX) and the provenance (SLSA) beside the image",
    )


def image_settings(arguments: argparse.Namespace) -> ImageSettings:
    """Return what the arguments say.

    Raises:
        UsageError: a number of layers that cannot be, or what is no image.
    """
    from envbuild.core.errors import UsageError
    from envbuild.core.image_settings import MOST_LAYERS
    from envbuild.core.reference import ImageReference

    if arguments.layers is not None and not 1 <= arguments.layers <= MOST_LAYERS:
        raise UsageError(f"--layers {arguments.layers}: 1 to {MOST_LAYERS} are possible")
    if arguments.append_to:
        ImageReference.parse(arguments.append_to)
    return replace(
        dockerfile_settings(arguments),
        layers=arguments.layers,
        append_to=arguments.append_to,
        compression=arguments.compression,
        bytecode=arguments.bytecode,
        attest=arguments.attest,
        check_imports=arguments.check_imports,
    )


def subdirs(platforms: Sequence[str]) -> list[str]:
    """Return conda's names of `platforms`, each once; an entry may hold several with commas between."""
    from envbuild.cli.image import subdir

    parts = (part.strip() for text in platforms for part in text.split(","))
    return list(dict.fromkeys(subdir(part) for part in parts if part))

"""How `image`, `package` and `bake` let a person word the Dockerfile."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envbuild.core.image_settings import ImageSettings
    from envbuild.core.plan import Plan
    from envbuild.render import RenderOptions


def add_dockerfile(parser: argparse.ArgumentParser) -> None:
    """Add what may be said about the Dockerfile's wording; nothing of it is in any key."""
    from envbuild.core.image_settings import CONDA_INSTALLERS, PIP_INSTALLERS

    group = parser.add_argument_group("Dockerfile")
    group.add_argument(
        "--pip-installer", default="", choices=PIP_INSTALLERS, help="what installs Python packages (default: uv)"
    )
    group.add_argument(
        "--conda-installer",
        default="",
        choices=CONDA_INSTALLERS,
        help="what installs conda packages: rattler in a stage of its own (default), or that program of the base image",
    )
    group.add_argument("--syntax", default="", metavar="IMAGE", help="a BuildKit frontend for the `# syntax=` line")
    group.add_argument(
        "--dialect",
        default="",
        choices=["buildkit", "sessionless", "plain"],
        help="for --generate-dockerfile: plain has no mounts, for the legacy builder (default: buildkit)",
    )


def dockerfile_settings(arguments: argparse.Namespace) -> ImageSettings:
    """Return what the arguments say about the Dockerfile."""
    from envbuild.core.image_settings import ImageSettings

    return ImageSettings(
        pip_installer=arguments.pip_installer, conda_installer=arguments.conda_installer, syntax=arguments.syntax
    )


def render_options(arguments: argparse.Namespace, plan: Plan) -> RenderOptions:
    """Return the wording that the arguments say, and the definition of `plan` where they say nothing."""
    from envbuild.render import RenderOptions

    said = dockerfile_settings(arguments).over(plan.definition.image)
    return RenderOptions.of(said, arguments.dialect or "buildkit")

"""Buildah: builds and moves images; a command can be run in one, but no service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envbuild.engines.cli_engine import CliEngine
from envbuild.engines.protocol import ImageInfo


class BuildahEngine(CliEngine):
    """The `buildah` program with the store that it is configured for, or that `options` name."""

    name = "buildah"
    image_inspect = ("inspect", "--type=image")

    def info(self, attributes: Mapping[str, Any]) -> ImageInfo:
        """Return what `buildah inspect` says; it tells no size."""
        image = attributes.get("Docker") or {}
        config = image.get("config") or {}
        return ImageInfo(
            id=f"sha256:{attributes.get('FromImageID', '')}",
            size=int(image.get("size") or 0),
            architecture=str(image.get("architecture", "")),
            tags=tuple(filter(None, [str(attributes.get("FromImage", ""))])),
            labels=tuple(sorted((config.get("Labels") or {}).items())),
            config=config,
        )

    def printed(self, name: str, command: tuple[str, ...]) -> str:
        """Return what `command` prints in a working container of the image `name`, which is gone then.

        Raises:
            ProgramError: the container cannot be made.
        """
        container = self.run("from", "--pull-never", name).stdout.strip()
        try:
            said = self.run("run", "--network=none", container, "--", *command, check=False)
        finally:
            self.run("rm", container)
        return said.stdout or said.stderr

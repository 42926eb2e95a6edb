"""The digest under which a local engine pulled a base image: asked only where no registry answers, and never slowly.

Engines are imported, and their programs started, only where a look at the disk says that they may know the image.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from envbuild.core.errors import EngineError
from envbuild.core.platforms import image_platform

SOCKET = Path("/var/run/docker.sock")
STORE = Path("/var/lib/containers/storage")
"""Where podman and buildah keep their images if nothing else is configured, for root."""


def inspect_base(reference: str) -> str:
    """Return the digest (`sha256:…`) under which a local engine pulled the image `reference`, empty where none has one.

    Only a digest that a registry gave is told: an image that was only built here has none that another machine could pull.
    """
    architecture = image_platform().oci.rpartition("/")[2]
    for name in _asked(reference):
        from envbuild.engines.detect import BUILDERS

        engine = BUILDERS[name]()
        try:
            found = engine.inspect(reference) if name != "docker" or engine.available() is None else None
        except EngineError:
            continue
        if found is not None and found.architecture == architecture:
            repository = reference.partition("@")[0].rpartition(":")[0] or reference
            digests = [one.partition("@")[2] for one in found.digests if one.partition("@")[0].endswith(repository)]
            return digests[0] if digests else ""
    return ""


def _asked(reference: str) -> Iterator[str]:
    """Yield the engines that may know `reference`."""
    if os.environ.get("DOCKER_HOST") or SOCKET.exists() or os.name == "nt":
        yield "docker"
    if _may_be_stored(reference):
        from envbuild import programs

        yield from filter(programs.find, ("podman", "buildah"))


def _may_be_stored(reference: str) -> bool:
    if any(place.exists() for place in _configured()):
        return True
    name = reference.partition("@")[0].rpartition("/")[2].encode()
    listings = [path for store in (STORE, _user_store()) for path in store.glob("*-images/images.json")]
    return any(name in _content(path) for path in listings)


def _configured() -> Iterator[Path]:
    """Yield the files that may put the store of podman and buildah, or the engine itself, somewhere else."""
    named = (os.environ.get("CONTAINERS_STORAGE_CONF"), os.environ.get("CONTAINERS_CONF"))
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "containers"
    yield from (Path(name) for name in named if name)
    yield from (folder / file for folder in (Path("/etc/containers"), settings) for file in _FILES)


_FILES = ("storage.conf", "containers.conf")


def _user_store() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "containers" / "storage"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""

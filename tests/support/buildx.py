"""The docker client's plugin buildx, and a buildkitd of its own, where this machine has them: no package of Debian 12 does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from envbuild import programs
from tests.support.daemons import running

PLUGIN = "docker-buildx"
_PLACES = (
    Path.home() / ".docker/cli-plugins",
    *(Path(f"/usr/{place}/docker/cli-plugins") for place in ("local/lib", "local/libexec", "lib", "libexec")),
)


def find(name: str) -> str | None:
    """Return the path of the program `name`; a plugin of docker's may be in a folder for plugins instead of on PATH."""
    places = [str(place / name) for place in _PLACES] if name == PLUGIN else []
    return next((found for one in (name, *places) if (found := programs.find(one))), None)


def install(docker_config: Path) -> None:
    """Make the plugin known to a docker client whose configuration is in `docker_config`."""
    plugin = find(PLUGIN)
    assert plugin is not None
    place = docker_config / "cli-plugins"
    place.mkdir(parents=True)
    (place / PLUGIN).symlink_to(plugin)


@contextlib.contextmanager
def buildkitd(folder: Path, registry: str) -> Iterator[str]:
    """Run a buildkitd with all its files in `folder`, which reaches `registry` without TLS, and yield its `unix://` address.

    Raises:
        DaemonError: it ends, or does not answer in time.
    """
    socket = folder / "buildkitd.sock"
    settings = folder / "buildkitd.toml"
    settings.write_text(
        f'root = "{folder}/state"\ninsecure-entitlements = ["network.host"]\n'
        f'[grpc]\naddress = ["unix://{socket}"]\n[worker.containerd]\nenabled = false\n'
        f'[worker.oci]\nenabled = true\nbinary = "runc"\n[registry."{registry}"]\nhttp = true\n'
    )
    with running(["buildkitd", f"--config={settings}"], folder / "buildkitd.log", socket.exists):
        yield f"unix://{socket}"

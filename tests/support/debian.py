"""Packages of Debian 12, whatever release this machine runs: a private apt on the mirror that the machine already uses.

Nothing here writes outside the given folders, and nothing needs root.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from envbuild import programs

SUITE = "bookworm"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SUITES = {"stable", "oldstable", "testing", "unstable", "sid", "bullseye", "bookworm", "trixie", "forky"}


class NoDebianError(Exception):
    """This machine cannot get Debian packages; the message says why."""


def source_line(suite: str = SUITE) -> str:
    """Return the line of `sources.list` for `suite` on this machine's mirror.

    Raises:
        NoDebianError: there is no apt, no Debian mirror in its configuration, or no archive keyring.
    """
    if programs.find("apt-get") is None:
        raise NoDebianError("apt-get is not there")
    if not _KEYRING.exists():
        raise NoDebianError(f"{_KEYRING} is not there")
    form = ["--no-release-info", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    for line in programs.run(["apt-get", "indextargets", *form]).stdout.splitlines():
        uri, release, component = line.split()
        if release in _SUITES and component == "main":
            return f"deb [signed-by={_KEYRING}] {uri} {suite} main"
    raise NoDebianError("apt is not configured with a Debian mirror")


def architecture() -> str:
    """Return Debian's word for this machine: `amd64`, `arm64`."""
    return programs.run(["dpkg", "--print-architecture"]).stdout.strip()


def unpack(packages: Sequence[str], folder: Path) -> dict[str, str]:
    """Download `packages` (not what they depend on), unpack them all into `folder`/root, and return their versions.

    Raises:
        NoDebianError: see `source_line`.
        ProgramError: the mirror does not answer or does not have a package.
    """
    options = _private_apt(folder / "apt")
    programs.run(["apt-get", *options, "update"])
    downloads = folder / "downloads"
    downloads.mkdir()
    (folder / "root").mkdir()
    programs.run(["apt-get", *options, "download", *packages], cwd=downloads)
    versions: dict[str, str] = {}
    for archive in sorted(downloads.glob("*.deb")):
        name, version = programs.run(
            ["dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(archive)]
        ).stdout.split()
        versions[name] = version
        programs.run(["dpkg-deb", "--extract", str(archive), str(folder / "root" / name)])
    return versions


def _private_apt(folder: Path) -> list[str]:
    for path in ("lists/partial", "cache/archives/partial"):
        (folder / path).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(source_line() + "\n")
    settings = {
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "APT::Sandbox::User": "root",
        "APT::Update::Post-Invoke-Success": "",
        "Acquire::Languages": "none",
    }
    return ["-q", *(part for name, value in settings.items() for part in ("-o", f"{name}={value}"))]

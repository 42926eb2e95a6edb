"""The platforms: conda's subdir is the name; what OCI, PEP 508 and PEP 425 call the same thing stands beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from envbuild.core.errors import DefinitionError

DEFAULT_GLIBC = (2, 28)
"""What a Linux base is taken to have (as manylinux_2_28 does) when nothing better is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One target. `subdir` is conda's name (`linux-64`), `oci` the image spec's (`linux/amd64`)."""

    subdir: str
    oci: str
    sys_platform: str
    platform_system: str
    platform_machine: str
    os_name: str
    uv: str

    def wheel_platforms(self, glibc: tuple[int, int] = DEFAULT_GLIBC) -> Iterator[str]:
        """Yield the platform tags (PEP 425, 600) that this platform accepts, best first."""
        if self.sys_platform == "linux":
            yield from _manylinux(self.platform_machine, glibc)
            yield f"linux_{self.platform_machine}"
        elif self.sys_platform == "darwin":
            from packaging.tags import mac_platforms

            yield from mac_platforms((13, 0), self.platform_machine)
        else:
            yield "win_amd64" if self.platform_machine == "AMD64" else "win_arm64"


_LEGACY_MANYLINUX = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}


def _manylinux(machine_name: str, glibc: tuple[int, int]) -> Iterator[str]:
    oldest = 5 if machine_name in ("x86_64", "i686") else 17
    for minor in range(glibc[1], oldest - 1, -1):
        yield f"manylinux_2_{minor}_{machine_name}"
        legacy = _LEGACY_MANYLINUX.get((2, minor))
        if legacy is not None and (legacy == "manylinux2014" or oldest == 5):
            yield f"{legacy}_{machine_name}"


def _linux(subdir: str, oci: str, machine_name: str) -> Platform:
    return Platform(
        subdir=subdir,
        oci=oci,
        sys_platform="linux",
        platform_system="Linux",
        platform_machine=machine_name,
        os_name="posix",
        uv=f"{machine_name}-manylinux_2_28",
    )


def _mac(subdir: str, oci: str, machine_name: str, uv: str) -> Platform:
    return Platform(
        subdir=subdir,
        oci=oci,
        sys_platform="darwin",
        platform_system="Darwin",
        platform_machine=machine_name,
        os_name="posix",
        uv=uv,
    )


def _windows(subdir: str, oci: str, machine_name: str, uv: str) -> Platform:
    return Platform(
        subdir=subdir,
        oci=oci,
        sys_platform="win32",
        platform_system="Windows",
        platform_machine=machine_name,
        os_name="nt",
        uv=uv,
    )


PLATFORMS: dict[str, Platform] = {
    one.subdir: one
    for one in (
        _linux("linux-64", "linux/amd64", "x86_64"),
        _linux("linux-aarch64", "linux/arm64", "aarch64"),
        _linux("linux-ppc64le", "linux/ppc64le", "ppc64le"),
        _linux("linux-s390x", "linux/s390x", "s390x"),
        _mac("osx-64", "darwin/amd64", "x86_64", "x86_64-apple-darwin"),
        _mac("osx-arm64", "darwin/arm64", "arm64", "aarch64-apple-darwin"),
        _windows("win-64", "windows/amd64", "AMD64", "x86_64-pc-windows-msvc"),
        _windows("win-arm64", "windows/arm64", "ARM64", "aarch64-pc-windows-msvc"),
    )
}

_BY_OCI = {one.oci: one for one in PLATFORMS.values()}


def parse_platform(text: str) -> Platform:
    """Return the platform called `text`, in conda's or OCI's way (`linux/arm64/v8` is `linux/arm64`).

    Raises:
        DefinitionError: nothing is called so.
    """
    name = text.strip().lower()
    found = PLATFORMS.get(name) or _BY_OCI.get("/".join(name.split("/")[:2]))
    if found is None:
        raise DefinitionError(
            f"platform {text!r} is not known",
            hint=f"one of {', '.join(PLATFORMS)}, or OCI's name, for example linux/arm64",
        )
    return found


def this_platform() -> Platform:
    """Return the platform that this process runs on (`linux-64` where it is one that we do not know)."""
    for one in PLATFORMS.values():
        if one.sys_platform == sys.platform and one.platform_machine == _machine():
            return one
    return PLATFORMS["linux-64"]


def image_platform() -> Platform:
    """Return the Linux platform that containers have on this machine."""
    arm = _machine().lower() in ("aarch64", "arm64")
    return PLATFORMS["linux-aarch64" if arm else "linux-64"]


def _machine() -> str:
    import platform  # it is not needed to lock for a platform that is named

    return platform.machine()

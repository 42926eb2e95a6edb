"""Which platforms a line is for: `# [linux64]` behind it (conda-lock), `sel(linux):` around it (mamba)."""

from __future__ import annotations

import re

from envbuild.core.platforms import PLATFORMS

_ALL = tuple(PLATFORMS)
_SELECTOR = re.compile(r"\s#\s*\[\s*([a-z0-9_-]+)\s*\]\s*$")


def _starting(*starts: str) -> tuple[str, ...]:
    return tuple(name for name in _ALL if name.startswith(starts))


SELECTORS: dict[str, tuple[str, ...]] = {
    "linux": _starting("linux-"),
    "osx": _starting("osx-"),
    "win": _starting("win-"),
    "unix": _starting("linux-", "osx-"),
    "linux64": ("linux-64",),
    "aarch64": ("linux-aarch64",),
    "ppc64le": ("linux-ppc64le",),
    "s390x": ("linux-s390x",),
    "osx64": ("osx-64",),
    "arm64": ("osx-arm64",),
    "win64": ("win-64",),
    **{name: (name,) for name in _ALL},
}
"""conda-lock's selectors, and the platforms' own names."""

_MARKERS = {
    "linux": 'sys_platform == "linux"',
    "osx": 'sys_platform == "darwin"',
    "win": 'sys_platform == "win32"',
    "unix": 'sys_platform != "win32"',
}


def selector_of(line: str) -> str:
    """Return the selector behind `line` (`linux` of `- gcc  # [linux]`), or an empty text."""
    found = _SELECTOR.search(line)
    return found[1] if found and found[1] in SELECTORS else ""


def marker_of(selector: str) -> str:
    """Return the environment marker (PEP 508) that says the same as `selector`, for pip's side."""
    if selector in _MARKERS:
        return _MARKERS[selector]
    one = PLATFORMS[SELECTORS[selector][0]]
    return f'sys_platform == "{one.sys_platform}" and platform_machine == "{one.platform_machine}"'

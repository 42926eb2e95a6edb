"""What a lock that another tool made for a range of Pythons and for any platform is taken to be for."""

from __future__ import annotations

from envbuild.core.lock import LockedPython

COMMON_PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
_MINORS = range(6, 16)


def lowest_python(specifier: str) -> LockedPython | None:
    """Return the lowest Python 3 that `specifier` (PEP 440) allows, to be had from the base, or None where it is empty."""
    from packaging.specifiers import SpecifierSet

    if not specifier:
        return None
    allowed = SpecifierSet(specifier)
    for minor in _MINORS:
        # a late patch release satisfies `>=3.12.1`, the first one `<=3.12`
        if allowed.contains(f"3.{minor}.99") or allowed.contains(f"3.{minor}.0"):
            return LockedPython(version=f"3.{minor}", provider="base")
    return None

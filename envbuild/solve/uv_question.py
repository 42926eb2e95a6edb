"""One question to uv, as it is put together before uv runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envbuild.core.platforms import PLATFORMS, Platform
from envbuild.solve.indexes import IndexAccess
from envbuild.solve.options import PipRequest
from envbuild.solve.requirements import Asked

_GLIBC_MINORS = (17, 28, *range(31, 41))
"""The minors X for which uv knows a target `manylinux_2_X`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question to uv. `provided` are the fixed points that are left, `built` names that may come from source.

    `pinned` are names that have an index of their own and that only other packages ask for; `excluded` are
    left out of the answer, as if nobody asked for them. `graph` says that who asked for what is
    wanted too.
    """

    request: PipRequest
    asked: Asked
    access: IndexAccess
    environ: Mapping[str, str]
    target: Platform | None
    provided: Mapping[str, str]
    built: frozenset[str]
    pinned: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    graph: bool = True

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms that the answer is for; none where nothing is said of them."""
        names = (self.target.subdir,) if self.target else self.request.options.platforms
        return tuple(PLATFORMS[name] for name in names)

    @property
    def uv_target(self) -> str:
        """Uv's name of the one platform that is asked; empty where several are, or one that uv has no name for."""
        return uv_target(self.target, self.request.glibc) if self.target else ""


def uv_target(target: Platform, glibc: tuple[int, int]) -> str:
    """Return uv's name of `target` with the newest C library that `glibc` covers; empty where uv has no name for it."""
    if target.sys_platform != "linux":
        return target.uv
    if target.platform_machine not in ("x86_64", "aarch64"):
        return ""
    fitting = [minor for minor in _GLIBC_MINORS if (2, minor) <= glibc]
    return f"{target.platform_machine}-manylinux_2_{max(fitting, default=_GLIBC_MINORS[0])}"

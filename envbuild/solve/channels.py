"""Channels: the names that people write, and what stands for them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from envbuild.core.definition import CondaSpec
from envbuild.core.errors import SolveError
from envbuild.net.credentials import strip_credentials
from envbuild.net.url_variables import ALLOWED, is_allowed, place_of

DEFAULTS = "defaults"

_PLACEHOLDER = re.compile(r"\$\{?[A-Za-z_][A-Za-z0-9_]*\}?")


def effective_channels(written: Iterable[str], specs: Iterable[CondaSpec] = ()) -> tuple[str, ...]:
    """Return the channels of a solve in order of priority: those written, then those that only a spec names.

    `nodefaults` says that nothing is added, which is so anyway; without any channel conda's own default is taken.
    """
    channels = [name for name in written if name != "nodefaults"] or [DEFAULTS]
    channels.extend(spec.channel for spec in specs if spec.channel)
    return tuple(dict.fromkeys(channels))


def expand_channels(channels: Iterable[str], platform: str) -> tuple[str, ...]:
    """Return `channels` as the solver takes them: `defaults` as the channels that it stands for, `$VARIABLE` in a URL replaced.

    Credentials may be written as `https://$USER:$PASSWORD@host/channel`, as conda has it; they never leave the solve.
    """
    expanded: list[str] = []
    for name in channels:
        expanded.extend(_conda_defaults(platform) if name == DEFAULTS else [_with_variables(name)])
    return tuple(dict.fromkeys(expanded))


def _with_variables(name: str) -> str:
    if "://" not in name or not _PLACEHOLDER.search(name):
        return name
    place = place_of(name)
    for found in _PLACEHOLDER.findall(name):
        if is_allowed(found.strip("${}"), place, os.environ) is False:
            raise SolveError(
                f"channel {strip_credentials(name)[0]} sends {found} to a host that {ALLOWED} does not name"
            )
    return os.path.expandvars(name)


def _conda_defaults(platform: str) -> tuple[str, ...]:
    """Return what `defaults` means, from the table that conda itself has (a copy is in conda-lock).

    The table is read as text: importing it would run all of conda-lock, which takes longer than a solve.
    """
    import ast
    import importlib.util
    from pathlib import Path

    found = importlib.util.find_spec("conda_lock")
    folders = (found and found.submodule_search_locations) or []
    wanted = "DEFAULT_CHANNELS_WIN" if platform.startswith("win-") else "DEFAULT_CHANNELS_UNIX"
    for folder in folders:
        table = Path(folder, "_vendor", "conda", "base", "constants.py")
        for node in ast.parse(table.read_text("utf-8")).body if table.is_file() else []:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == wanted:
                return tuple(ast.literal_eval(node.value))
    return (DEFAULTS,)

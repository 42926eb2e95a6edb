"""A network for the tests' engine: a bridge of its own, so that it never meets the machine's `docker0`.

The daemon runs with `--iptables=false`: it changes no chain and no policy of the machine. Three rules, removed at the
end, let containers reach the outside as they would on a stock engine. Published ports go through docker's own proxy.
From a build step the tests' servers on 127.0.0.1 are reached with `--network=host` only.
`net.ipv4.ip_forward` is switched on and stays on, as with any dockerd.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from envbuild import programs
from envbuild.files import exclusive
from tests.support.cache import tests_cache

_NUMBERS = itertools.count()

NO_BRIDGE = ("--bridge=none", "--iptables=false")


@contextlib.contextmanager
def bridge() -> Iterator[tuple[str, ...]]:
    """Make the bridge, yield the dockerd flags for it, and remove it.

    Where no bridge can be made (no `ip`, no permission) containers have only the host's network, or none.
    """
    name = f"ebt{os.getpid()}x{next(_NUMBERS)}"[:15]
    with contextlib.ExitStack() as stack:
        try:
            # another engine may be looking for a network at this moment
            with exclusive(tests_cache() / "bridge.lock"):
                network = _free_network()
                programs.run(["ip", "link", "add", name, "type", "bridge"])
                stack.callback(programs.run, ["ip", "link", "delete", name], check=False)
                programs.run(["ip", "address", "add", f"{network}.1/24", "dev", name])
                programs.run(["ip", "link", "set", name, "up"])
        except programs.ProgramError:
            yield NO_BRIDGE
            return
        with contextlib.suppress(programs.ProgramError, OSError):
            _reach_outside(stack, name, f"{network}.0/24")
        yield f"--bridge={name}", "--iptables=false", "--ip-masq=false"


def _free_network() -> str:
    routes = programs.run(["ip", "-4", "route"]).stdout
    return next(network for network in (f"10.213.{part}" for part in range(256)) if f"{network}." not in routes)


def _reach_outside(stack: contextlib.ExitStack, name: str, network: str) -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    established = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
    for table, chain, *rule in (
        ("nat", "POSTROUTING", "-s", network, "!", "-o", name, "-j", "MASQUERADE"),
        ("filter", "FORWARD", "-i", name, "-j", "ACCEPT"),
        ("filter", "FORWARD", "-o", name, *established, "-j", "ACCEPT"),
    ):
        programs.run(["iptables", "-w", "-t", table, "-I", chain, *rule])
        stack.callback(programs.run, ["iptables", "-w", "-t", table, "-D", chain, *rule], check=False)

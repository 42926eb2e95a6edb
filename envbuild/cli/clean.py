"""`envbuild clean`: what can go, with sizes; nothing goes without `--yes`."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envbuild.cleaning import Item


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "clean",
        help="what caches and images take, and remove it with --yes",
        description="Lists caches (all of it can be made again), files of the workspace here that nothing registered refers to, and the "
        "engines' images that no lock below here is for. Without --yes nothing is removed. What another process uses stays.",
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="only these kinds, as the list names them")
    parser.add_argument("--yes", action="store_true", help="remove what is listed")
    parser.add_argument("--unused", type=float, default=0, metavar="DAYS", help="only what was not used for DAYS")
    parser.add_argument("--all", action="store_true", help="list every single thing")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List, and remove if told."""
    from envbuild.cleaning import find_items, remove

    items = list(find_items(arguments.kinds, unused_days=arguments.unused))
    kept = [one for one in items if not remove(one)] if arguments.yes else items
    gone = [one for one in items if one not in kept]
    if arguments.json:
        rows = [{"kind": one.kind, "name": one.name, "size": one.size, "removed": one in gone} for one in items]
        print(json.dumps({"removed": sum(one.size for one in gone), "items": rows}))
    else:
        _print(items, gone, arguments)
    return 0


def _print(items: Sequence[Item], gone: Sequence[Item], arguments: argparse.Namespace) -> None:
    from envbuild.cleaning import CACHES
    from envbuild.formats.diff_text import size_text

    groups: dict[str, list[Item]] = defaultdict(list)
    for one in items:
        groups[one.kind].append(one)
    words = {**CACHES, "workspace": "files that nothing refers to", "engine-images": "images that no lock here is for"}
    for kind, group in groups.items():
        size = size_text(sum(one.size for one in group))
        print(f"{size:>10}  {kind:<15} {len(group)} {'item' if len(group) == 1 else 'items'}: {words[kind]}")
        for one in group if arguments.all else ():
            print(f"{size_text(one.size):>10}    {one.name}")
    total = size_text(sum(one.size for one in items))
    if not arguments.yes:
        print(f"{total:>10}  in all; nothing was removed (say --yes)" if items else "nothing to remove")
        return
    print(f"removed {size_text(sum(one.size for one in gone))}")
    for one in items:
        if one not in gone:
            print(f"in use, left: {one.kind}/{one.name}")

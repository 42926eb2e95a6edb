"""`envbuild doctor`: what will be used on this machine, and why."""

from __future__ import annotations

import argparse
import json

_SIGNS = {"ok": "+", "note": "!", "missing": "-", "wrong": "x"}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "doctor",
        help="what will be used on this machine, and why",
        description="Engines, builders, registries, certificates, proxies, indexes, interpreters, disk. Looks only at this machine. "
        "+ works, ! worth knowing, - not there, x wrong. Exit 1 where something is wrong.",
    )
    parser.add_argument("--json", action="store_true", help="print a list of findings as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look, and print."""
    from envbuild.diagnosis import diagnose

    findings = []
    topic = ""
    for one in diagnose():
        findings.append(one)
        if arguments.json:
            continue
        if one.topic != topic:
            print(one.topic if not topic else f"\n{one.topic}")
            topic = one.topic
        print(f"  {_SIGNS[one.state]} {one.name}: {one.value}{f'  ({one.why})' if one.why else ''}", flush=True)
    if arguments.json:
        print(json.dumps([one.to_dict() for one in findings], indent=2))
    return 1 if any(one.state == "wrong" for one in findings) else 0

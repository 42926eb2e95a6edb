"""The scoring server against its peers: `python -m benchmarks.serve [--check] [--full] [--json] [--seconds N]`,
and for minutes at saturation: `--part load --minutes N`.

Same machine, same script, same client (wrk), side by side. Ours and the Azure server are measured in turns, so that a busy machine
slows both; a ratio is of medians. Peers live in virtual environments of their own under the cache; one that cannot be installed is
left out with the reason. `--full` adds the other peers, two workers, 64 connections and a scikit-learn script.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.serve_peers import PEERS, Peer, PeerMissingError
from benchmarks.serve_wrk import Load, measure, wrk_path

AZURE = "azureml-inference-server-http"
BARS = {1: 5.0, 16: 10.0}
"""Connections → how many times the Azure server's requests per second ours must reach with one worker."""


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say with the exit code whether the bars are met (with `--check`)."""
    parser = argparse.ArgumentParser(prog="benchmarks.serve", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bar is missed")
    parser.add_argument(
        "--full", action="store_true", help="all peers, 1 and 2 workers, 1, 16 and 64 connections, both scripts"
    )
    parser.add_argument("--part", choices=["speed", "load"], default="speed", help="load: long, at saturation")
    parser.add_argument("--minutes", type=float, default=10, help="length of --part load")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=int, default=3, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    if wrk_path() is None:
        print("wrk is not installed; nothing can be measured", file=sys.stderr)
        return 1 if options.check else 0
    if options.part == "load":
        return load(options)
    rows = list(measure_all(options))
    print(json.dumps(rows, indent=2) if options.json else table(rows))
    missed = list(missed_bars(rows))
    for one in missed:
        print(one, file=sys.stderr)
    return 1 if options.check and missed else 0


def load(options: argparse.Namespace) -> int:
    """Ask for minutes, print what was seen, and say with the exit code whether anything was wrong (with `--check`)."""
    from benchmarks.serve_load import endure

    found = endure(options.minutes)
    print(json.dumps({**asdict(found.load), "memory": found.memory, "growth": found.growth}) if options.json else found)
    for problem in found.problems():
        print(problem, file=sys.stderr)
    return 1 if options.check and found.problems() else 0


def measure_all(options: argparse.Namespace) -> list[dict[str, object]]:
    """Measure every peer on every script and number of workers; return a row for each number of connections."""
    names = list(PEERS) if options.full else ["envbuild", AZURE, "granian"]
    peers = []
    for name in names:
        try:
            PEERS[name].prepare()
        except PeerMissingError as error:  # noqa: PERF203 - one missing peer must not hide the others
            print(f"{name}: left out: {error}", file=sys.stderr)
        else:
            peers.append(PEERS[name])
    rows: list[dict[str, object]] = []
    for script in ("trivial", "sklearn") if options.full else ("trivial",):
        for workers in (1, 2) if options.full else (1,):
            connections = (1, 16, 64) if options.full else (1, 16)
            rows += measure_side_by_side(
                [peer for peer in peers if script in peer.scripts], script, workers, connections, options
            )
    return rows


def measure_side_by_side(
    peers: Sequence[Peer], script: str, workers: int, connections: Sequence[int], options: argparse.Namespace
) -> list[dict[str, object]]:
    """Start each peer in turn, `rounds` times over, and measure it at each number of connections."""
    loads: dict[tuple[str, int], list[Load]] = {}
    starts: dict[str, list[tuple[float, int]]] = {}
    for _ in range(options.rounds):
        for peer in peers:
            try:
                with tempfile.TemporaryDirectory() as folder, peer.start(Path(folder), script, workers) as running:
                    for count in connections:
                        found = measure(running.url, peer.body(script), peer.headers, count, options.seconds)
                        loads.setdefault((peer.name, count), []).append(found)
                    starts.setdefault(peer.name, []).append((running.started_s, running.memory_bytes()))
            except PeerMissingError as error:  # noqa: PERF203 - one missing peer must not hide the others
                print(f"{peer.name}, {workers} workers: left out: {error}", file=sys.stderr)
    return [
        summary(name, script, workers, count, found, starts[name])
        for (name, count), found in sorted(loads.items(), key=lambda one: one[0][1])
    ]


def summary(  # noqa: PLR0917 - a row is what it is
    name: str, script: str, workers: int, connections: int, loads: Sequence[Load], starts: Sequence[tuple[float, int]]
) -> dict[str, object]:
    """Return the medians of one peer's rounds."""
    return {
        "script": script,
        "workers": workers,
        "connections": connections,
        "server": name,
        "requests_per_second": round(statistics.median(load.rate for load in loads)),
        "p50_ms": round(statistics.median(load.p50_ms for load in loads), 2),
        "p99_ms": round(statistics.median(load.p99_ms for load in loads), 2),
        "errors": sum(load.errors for load in loads),
        "start_s": round(statistics.median(seconds for seconds, _ in starts), 2),
        "memory_mb_per_worker": round(statistics.median(size for _, size in starts) / workers / 1e6),
    }


def table(rows: Sequence[dict[str, object]]) -> str:
    """Lay the rows out, with the ratio of ours to each peer."""
    lines = [
        f"{'script':8} {'wrk':>3} {'conn':>4}  {'server':30} {'req/s':>7} {'ours/it':>8} {'p50 ms':>7} {'p99 ms':>8} {'start s':>8} {'MB/worker':>10} {'errors':>6}"
    ]
    for row in rows:
        ratio = ratio_to_ours(rows, row)
        lines.append(
            f"{row['script']:8} {row['workers']:>3} {row['connections']:>4}  {row['server']:30} {row['requests_per_second']:>7} "
            f"{ratio:>8.2f} {row['p50_ms']:>7} {row['p99_ms']:>8} {row['start_s']:>8} {row['memory_mb_per_worker']:>10} {row['errors']:>6}"
        )
    return "\n".join(lines)


def ratio_to_ours(rows: Sequence[dict[str, object]], row: dict[str, object]) -> float:
    """Return how many times the requests per second of `row` ours answered in the same situation."""
    same = ("script", "workers", "connections")
    ours = next(one for one in rows if one["server"] == "envbuild" and all(one[key] == row[key] for key in same))
    return float(str(ours["requests_per_second"])) / max(1.0, float(str(row["requests_per_second"])))


def missed_bars(rows: Sequence[dict[str, object]]) -> list[str]:
    """Return a line for each bar that is missed, and for each error of ours."""
    found = [
        f"{row['errors']} errors of ours at {row['connections']} connections"
        for row in rows
        if row["server"] == "envbuild" and row["errors"]
    ]
    for row in rows:
        bar = BARS.get(int(str(row["connections"])), 1.0) if (row["script"], row["workers"]) == ("trivial", 1) else 1.0
        if row["server"] == AZURE and ratio_to_ours(rows, row) < bar:
            found.append(
                f"{row['script']}, {row['workers']} workers, {row['connections']} connections: less than {bar:g} times {AZURE}"
            )
        if row["server"] not in ("envbuild", AZURE, "granian") and ratio_to_ours(rows, row) < 1.0:
            found.append(
                f"{row['script']}, {row['workers']} workers, {row['connections']} connections: behind {row['server']}"
            )
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

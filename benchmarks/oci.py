"""Images straight from the lock against pip's and uv's Dockerfiles: `python -m benchmarks.oci [--check] [--full] [--json] [--only TEXT]`.

One scientific environment (38 wheels, bytecode on both sides), every wheel from a loopback index, one docker engine and one
registry for all. In each round every step is run once, in an order of its own; a row is a ratio of medians. The base image is
pulled on docker's side and read on ours before anything is timed. Nothing is removed while anything is timed: for a minute,
ext4 looks at each removed inode before it gives out another. So each round has a base of its own, on which docker knows no layer. `--full` takes 7 rounds and `--rounds N` takes N, however
long; else there are 5, fewer where 8 minutes would not do (then it says so). `--only` measures the rows whose name holds a text.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import random
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.oci_sides import ADDED, Bench, environment_names, serving, wheels
from benchmarks.timing import Row, report
from envbuild import programs
from tests.support import base_image
from tests.support.engine import Engine
from tests.support.provision import engine_environment

BUDGET = 8 * 60
"""Seconds for all rounds, where nobody says how many there are to be."""

ROWS = (
    ("added package, into the engine", "oci +1", "pip +1", 1 / 10),
    ("added package, into the engine", "oci +1", "uv +1", 1 / 6),
    ("added package, into the engine, appended", "oci +1 append", "pip +1", 1 / 10),
    ("added package, into the engine, appended", "oci +1 append", "uv +1", 1 / 6),
    ("added package, no bytecode, into the engine", "oci-bare +1", "uv-bare +1", 1 / 5),
    ("added package, to the registry", "oci +1 push", "uv +1 push", 1 / 20),
    ("added package, to the registry, appended", "oci +1 push append", "uv +1 push", 1 / 25),
    ("cold, to the registry", "oci cold push", "uv cold push", 1 / 5),
    ("cold, into the engine", "oci cold", "uv cold", 1.0),
    ("nothing changed, to the registry", "oci same", "skopeo inspect", 3.0),
    ("pull after one added package", "pull +1", "pull of one layer", 1 / 2),
)
"""What, our step, the peer's step, and the most that ours may be of it. The default order must come close to the appended one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to time; what is done `before` and `after` it is not timed."""

    action: Callable[[], object]
    before: Callable[[], object] = lambda: None
    after: Callable[[], object] = lambda: None


@dataclass(slots=True, kw_only=True)
class Rounds:
    """The rounds and what they measured, by step."""

    bench: Bench
    names: list[str]
    wanted: set[str]
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    digests: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    writes: int = 0

    def prepare(self) -> None:
        """Make on every side the image to which the rounds add a package."""
        bench, registry = self.bench, self.bench.engine.registry
        bench.engine.docker("pull", bench.base.pinned)
        for side in {name.split()[0] for name in self.wanted} & {"pip", "uv", "uv-bare"}:
            bench.dockerfile(side, self.names, f"bench/{side}:base", nonce="base")
        if "uv +1 push" in self.wanted:
            bench.engine.docker("tag", "bench/uv:base", f"{registry}/bench/uv:base")
            bench.engine.docker("push", f"{registry}/bench/uv:base")
        self._load_base()
        for repository, words in (("oci", ()), ("oci-append", ()), ("single", ("--layers=1", "--no-reuse"))):
            bench.oci(self.names, "--tag", f"{registry}/bench/{repository}:base", "--push", *words)

    def run(self, number: int) -> None:
        """Run every step once, shuffled, and the pulls after the pushes that they need."""
        steps = self._steps(number, f"{number}-{time.time_ns()}")
        order = [name for name in steps if name in self.wanted]
        random.Random(number).shuffle(order)
        for name in order:
            self._time(name, steps[name])

    def pull(self, number: int) -> None:
        """Pull what round `number` has pushed, after the rounds, as images must be removed for it."""
        if "pull +1" in self.wanted:
            for name, step in self._pulls(number, [*self.names, ADDED[number % len(ADDED)]]).items():
                self._time(name, step)

    def _time(self, name: str, step: Step) -> None:
        step.before()
        programs.run(["sync"])
        begin = time.perf_counter()
        step.action()
        self.times[name].append(time.perf_counter() - begin)
        step.after()

    def _steps(self, number: int, nonce: str) -> dict[str, Step]:
        bench, names, registry = self.bench, self.names, self.bench.engine.registry
        more = [*names, ADDED[number % len(ADDED)]]
        fresh = self._on_a_base_of_its_own(number) if self.wanted & {"uv cold", "oci cold"} else bench

        def uv_pushed(wanted: list[str], repository: str, cache: str) -> None:
            tag = f"{registry}/{repository}:{number}"
            bench.dockerfile("uv", wanted, tag, nonce=f"push-{nonce}", cache=cache)
            bench.engine.docker("push", tag)

        inspect = ["skopeo", "inspect", "--tls-verify=false", f"docker://{registry}/bench/oci:base"]
        return {
            "pip +1": Step(action=lambda: bench.dockerfile("pip", more, f"bench/pip:{number}", nonce=nonce)),
            "uv +1": Step(action=lambda: bench.dockerfile("uv", more, f"bench/uv:{number}", nonce=nonce)),
            "uv-bare +1": Step(action=lambda: bench.dockerfile("uv-bare", more, f"bench/uvb:{number}", nonce=nonce)),
            "uv +1 push": Step(action=lambda: uv_pushed(more, "bench/uv", "warm")),
            "uv cold push": Step(action=lambda: uv_pushed(names, f"cold/uv-{nonce}", f"p{nonce}")),
            "uv cold": Step(
                action=lambda: fresh.dockerfile("uv", names, f"cold/uv:{number}", nonce=nonce, cache=f"c{nonce}")
            ),
            "skopeo inspect": Step(action=lambda: programs.run(inspect)),
            "oci same": self._same(),
            **self._assembled(number, nonce, more, fresh),
        }

    def _assembled(self, number: int, nonce: str, more: list[str], fresh: Bench) -> dict[str, Step]:
        registry = self.bench.engine.registry
        tag = f"{registry}/bench/oci"
        base = f"{tag}-append:base"
        return {
            "oci +1": self._added(more, "--tag", f"bench/oci:{number}"),
            "oci +1 append": self._added(more, "--tag", f"bench/oci:a{number}", "--append-to", "bench/oci:base"),
            "oci-bare +1": self._added(more, "--tag", f"bench/bare:{number}", "--no-bytecode"),
            "oci +1 push": self._added(more, "--tag", f"{tag}:{number}", "--push"),
            "oci +1 push append": self._added(more, "--tag", f"{tag}-append:{number}", "--push", "--append-to", base),
            "oci cold push": self._cold(self.bench, "--tag", f"{registry}/cold/oci-{nonce}:1", "--push"),
            "oci cold": self._cold(fresh, "--tag", f"cold/oci:{number}"),
        }

    def _added(self, names: list[str], *words: str) -> Step:
        """Return a build from a copy of the cache in which the image without the added package is."""
        copy = self.bench.folder / f"copy-{time.time_ns()}"

        def before() -> None:
            self._load_base()
            self.bench.definition(names)
            programs.run(["cp", "-al", str(self.bench.cache), str(copy)])

        return Step(action=lambda: self.bench.oci(names, *words, cache=copy), before=before)

    def _cold(self, bench: Bench, *words: str) -> Step:
        """Return a build from nothing but what is known of the base."""
        copy = bench.folder / f"copy-{time.time_ns()}"

        def before() -> None:
            copy.mkdir()
            shutil.copytree(bench.cache / "bases", copy / "bases")

        def action() -> None:
            built = bench.oci(self.names, *words, cache=copy)
            self.digests[bench.base.digest].add(str(built["digest"]))

        return Step(action=action, before=before)

    def _on_a_base_of_its_own(self, number: int) -> Bench:
        """Return the sides on a base that only this round has, pulled and read."""
        engine = self.bench.engine
        base = base_image.with_files(engine, base_image.PYTHON, f"round-{number}", {"etc/round": f"{number}\n"})
        bench = replace(self.bench, base=base)
        engine.docker("pull", base.pinned)
        bench.oci(ADDED[:1], "--tag", f"{engine.registry}/bench/read-{number}:base", "--push")
        return bench

    def _pulls(self, number: int, more: list[str]) -> dict[str, Step]:
        engine, registry = self.bench.engine, self.bench.engine.registry
        one = f"{registry}/bench/single:{number}"

        def without_added() -> None:
            # what was loaded is not known by its registry's digests: an engine that pulls has pulled before
            for name in ("oci", "single"):
                engine.docker("pull", f"{registry}/bench/{name}:base")
            images = engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
            engine.docker(
                "rmi", "--force", *(image for image in images if image.endswith((f":{number}", f":a{number}")))
            )

        def single() -> None:
            without_added()
            self.bench.oci(more, "--tag", one, "--push", "--layers=1", "--no-reuse")

        return {
            "pull +1": Step(
                action=lambda: engine.docker("pull", f"{registry}/bench/oci:{number}"), before=without_added
            ),
            "pull of one layer": Step(action=lambda: engine.docker("pull", one), before=single),
        }

    def _load_base(self) -> None:
        self.bench.oci(self.names, "--tag", "bench/oci:base")
        self.bench.oci(self.names, "--tag", "bench/bare:base", "--no-bytecode")

    def _same(self) -> Step:
        known: set[tuple[str, int]] = set()
        words = ("--tag", f"{self.bench.engine.registry}/bench/oci:base", "--push")

        def before() -> None:
            self.bench.oci(self.names, *words)
            known.update(_written(self.bench.cache))

        def after() -> None:
            self.writes += _written(self.bench.cache) != known

        return Step(action=lambda: self.bench.oci(self.names, *words), before=before, after=after)


def _written(folder: Path) -> set[tuple[str, int]]:
    return {(str(path), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def measure(folder: Path, engine: Engine, rounds: int, budget: float, only: str = "") -> tuple[list[Row], list[str]]:
    """Run the rounds, fewer where they would take more than `budget` seconds; return the rows, and what else went wrong."""
    chosen = [row for row in ROWS if only in row[0]]
    wanted = {step for _, ours, peer, _ in chosen for step in (ours, peer)}
    wanted |= {"oci +1 push"} if "pull +1" in wanted else set()
    with serving(wheels()) as (index, packages):
        base = base_image.provide(engine, base_image.PYTHON)
        cache = folder / "cache"
        bench = Bench(engine=engine, base=base, index=index, packages=packages, folder=folder, cache=cache)
        work = Rounds(bench=bench, names=environment_names(), wanted=wanted)
        work.prepare()
        begin, done = time.monotonic(), 0
        while done < rounds and (time.monotonic() - begin) * (done + 1) < budget * max(done, 1):
            work.run(done)
            done += 1
            print(f"round {done}: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
        for number in range(done):
            work.pull(number)
    notes = {"rounds": done, "load": round(os.getloadavg()[0], 1)}
    rows = [
        Row(what=what, peer=peer, ours=work.times[ours], theirs=work.times[peer], bar=bar, notes=notes)
        for what, ours, peer, bar in chosen
    ]
    several = [found for found in work.digests.values() if len(found) > 1]
    wrong = [f"cold builds gave {len(found)} digests" for found in several]
    return rows, wrong + (["a build without a change wrote to the cache"] if work.writes else [])


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.oci", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    parser.add_argument("--full", action="store_true", help="7 rounds, however long they take")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the rows whose name holds TEXT")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=0)
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        settings = stack.enter_context(engine_environment())
        os.environ.update(settings)
        if reason := settings.get("ENVBUILD_TEST_ENGINE_SKIP"):
            print(f"no engine: {reason}", file=sys.stderr)
            return 1
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="envbuild-bench-", dir="/var/tmp")))
        engine = Engine.from_environment(stack)
        rounds = arguments.rounds or (7 if arguments.full else 5)
        budget = math.inf if arguments.rounds or arguments.full else BUDGET
        rows, wrong = measure(folder, engine, rounds, budget, arguments.only)
    code = report(rows, as_json=arguments.json, check=arguments.check)
    for one in wrong:
        print(f"wrong: {one}", file=sys.stderr)
    return 1 if wrong and arguments.check else code


if __name__ == "__main__":
    sys.exit(main())

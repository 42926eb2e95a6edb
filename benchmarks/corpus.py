"""How much of the real-world corpus is understood: `python -m benchmarks.corpus [--check] [--json] [--show-reasons]`.

Every definition of `../shared/corpus/open.tar.xz` goes through `envbuild show --json`, many files in one process. A refusal counts
under the first reason below whose pattern is found in its first problem; `docs/definitions.md` holds the same table in words.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from envbuild.files import cache_root, new_folder
from envbuild.programs import run

ARCHIVE = Path(__file__).parents[2] / "shared" / "corpus" / "open.tar.xz"
KINDS = ("conda_env", "requirements", "pyproject", "v1_env", "v2_env", "mlflow_models", "malformed")
BATCH = 150

REASONS: dict[str, str] = {
    "template": r"is a template|^'[^']*' is a template",
    "lock file": r"is a lock file",
    "missing file": r"cannot be read: No such file|which cannot be read",
    "credential": r"holds a credential",
    "registered environment": r"refers to a registered environment",
    "no environment in it": r"defines no environment|names no environment|defines a package, not an environment",
    "no dependencies": r"has no dependencies|dependencies has no entries|has no `dependencies:`|is empty",
    "dynamic dependencies": r"dependencies are dynamic",
    "built from source by pixi": r"is built from source by pixi",
    "conditional dependency of pixi": r"has a condition, which is not supported",
    "uv workspace": r"comes from the uv workspace",
    "several environments": r"has several environments",
    "not YAML, TOML or JSON": r"is not (?:YAML|TOML|JSON)|is not a setup.cfg",
    "not a definition": r"is not a kind of file|is a (?:list|text|number); a map",
    "unknown key": r"is not a key of",
    "conda's way in a requirement": r"has one `=`, as conda writes it|names a conda channel",
    "not a requirement": r"is not a requirement|is an element of a Python list|is not a version|is not a version constraint",
    "unknown option": r"is an option that pip|is not an option of",
    "invalid value": r"cannot name|is true; |offers no texts|has no entries|names no channels|is needed|stands beside|which is not there",
}
"""Reason → pattern of the message, in the order in which they are tried."""

NOT_MALFORMED = {
    "git_source_bad_ref.in": "well formed: that the tag does not exist is known only to the server",
    "conflict_at_latest.toml": "well formed: that the versions clash is known only to the index",
    "poetry_missing_description.toml": "a complete environment: what Poetry misses is needed to publish, not to install",
}
"""Files that stand under `malformed` but whose mistake is not in what they say about an environment."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the files of one kind."""

    files: int = 0
    understood: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        return sum(self.reasons.values()) + len(self.unexplained)


def unpacked(archive: Path) -> Path:
    """Return the folder that holds what `archive` holds, unpacked once into the cache."""
    folder = cache_root() / "corpus" / hashlib.sha256(archive.read_bytes()).hexdigest()[:16]
    if not folder.is_dir():
        with new_folder(folder) as new, tarfile.open(archive) as tar:
            tar.extractall(new, filter="data") if sys.version_info >= (3, 12) else tar.extractall(new)
    return folder


def primary_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield kind and path of every definition in the corpus; files that others refer to are left out."""
    for line in (folder / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["primary"] and entry["kind"] in KINDS:
            yield entry["kind"], folder / entry["dest"]


def show(paths: list[Path]) -> dict[str, dict[str, object]]:
    """Return what `envbuild show --json` says of each of `paths`; of a file where it broke down, nothing."""
    done = run([sys.executable, "-m", "envbuild", "show", "--json", *map(str, paths)], check=False)
    found = {entry["file"]: entry for entry in map(json.loads, done.stdout.splitlines()) if "file" in entry}
    if len(found) == len(paths) or len(paths) == 1:
        return found
    return {name: entry for path in paths for name, entry in show([path]).items()}


def reason(problems: list[dict[str, str]]) -> str:
    """Return the class of a refusal, or an empty text where none fits."""
    for problem in problems:
        for name, pattern in REASONS.items():
            if re.search(pattern, problem["message"]):
                return name
    return ""


def measure(folder: Path) -> dict[str, Tally]:
    """Put every file through `envbuild show` and count."""
    entries = list(primary_files(folder))
    shown: dict[str, dict[str, object]] = {}
    for start in range(0, len(entries), BATCH):
        shown |= show([path for _, path in entries[start : start + BATCH]])
    tallies = {kind: Tally() for kind in KINDS}
    for kind, path in entries:
        count(tallies[kind], kind, str(path.relative_to(folder)), shown.get(str(path)))
    return tallies


def count(tally: Tally, kind: str, name: str, entry: dict[str, object] | None) -> None:
    """Count one file; None is one where the program broke down."""
    tally.files += 1
    if entry is None:
        tally.tracebacks.append(name)
    elif entry["ok"]:
        tally.understood += 1
        if kind == "malformed" and Path(name).name not in NOT_MALFORMED:
            tally.accepted.append(name)
    else:
        problems = list(entry["problems"])  # type: ignore[call-overload]
        if found := reason(problems):
            tally.reasons[found] += 1
            tally.examples.setdefault(found, f"{name}: {problems[0]['message']}")
        else:
            tally.unexplained.append(f"{name}: {problems[0]['message']}")


def misses(tallies: dict[str, Tally]) -> Iterator[str]:
    """Yield every bar that is missed, in words."""
    for kind, tally in tallies.items():
        yield from (f"{kind}: traceback: {name}" for name in tally.tracebacks)
        yield from (f"{kind}: refused without a listed reason: {name}" for name in tally.unexplained)
        yield from (f"{kind}: malformed, yet understood: {name}" for name in tally.accepted)


def print_table(tallies: dict[str, Tally], seconds: float, *, examples: bool) -> None:
    print(f"{'kind':<14} {'files':>6} {'understood':>11} {'refused':>8} {'tracebacks':>11}")
    for kind, tally in tallies.items():
        print(f"{kind:<14} {tally.files:>6} {tally.understood:>11} {tally.refused:>8} {len(tally.tracebacks):>11}")
        for name, number in tally.reasons.most_common():
            print(f"{'':<14} {number:>6}  {name}")
            if examples:
                print(f"{'':<23}{tally.examples[name][:160]}")
    files = sum(tally.files for tally in tallies.values())
    print(
        f"{files} files in {seconds:.1f} s, {1000 * seconds / max(files, 1):.1f} ms each with the start of the program"
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 and name each bar that is missed")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.add_argument("--show-reasons", action="store_true", help="print one example of each reason")
    parser.add_argument("--full", action="store_true", help="the same: one round is exact")
    arguments = parser.parse_args(argv)
    if not ARCHIVE.is_file():
        print(f"skipped: {ARCHIVE} is not there", file=sys.stderr)
        return 0
    begin = time.perf_counter()
    tallies = measure(unpacked(ARCHIVE))
    seconds = time.perf_counter() - begin
    if arguments.json:
        data = {
            kind: {
                "files": one.files,
                "understood": one.understood,
                "refused": dict(one.reasons),
                "tracebacks": one.tracebacks,
            }
            for kind, one in tallies.items()
        }
        print(json.dumps({"kinds": data, "seconds": round(seconds, 2)}))
    else:
        print_table(tallies, seconds, examples=arguments.show_reasons)
    missed = list(misses(tallies))
    for one in missed:
        print(f"missed: {one}", file=sys.stderr)
    return 1 if arguments.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())

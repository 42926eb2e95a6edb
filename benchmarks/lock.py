"""How fast locking is: `python -m benchmarks.lock [--part NAME]… [--check] [--full] [--json]`.

Each part is a module with `measure(full=…)` that yields rows; the parts are listed in `PARTS`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator

from benchmarks.timing import Count, Row, line, report

PARTS = {
    "conda": "benchmarks.lock_conda",
    "pip": "benchmarks.lock_pip",
    "check": "benchmarks.lock_check",
    "growth": "benchmarks.lock_growth",
    "feedback": "benchmarks.lock_feedback",
    "files": "benchmarks.lock_files",
    "agreement": "benchmarks.lock_agreement",
}


def rows(parts: list[str], *, full: bool) -> Iterator[Row | Count]:
    """Yield the rows of `parts`, saying on stderr what is measured."""
    for part in parts:
        for row in importlib.import_module(PARTS[part]).measure(full=full):
            print(line(row), file=sys.stderr)
            yield row


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lock", description=__doc__)
    parser.add_argument("--part", action="append", choices=sorted(PARTS), help="only this part; may be repeated")
    parser.add_argument("--check", action="store_true", help="fewer rounds; exit 1 and name each bar that is missed")
    parser.add_argument("--full", action="store_true", help="more rounds, and pip-compile at every size")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    arguments = parser.parse_args(argv)
    found = list(rows(arguments.part or list(PARTS), full=arguments.full))
    return report(found, as_json=arguments.json, check=arguments.check)


if __name__ == "__main__":
    sys.exit(main())

"""bandit and zizmor find nothing in our own repository that docs/security.md does not explain. Skipped where they are not installed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from envbuild import programs

ROOT = Path(__file__).parents[2]


def explained() -> dict[str, tuple[str, ...]]:
    """Return, by bandit's code, the files (or folders) that the table says it is meant in."""
    table = (ROOT / "docs/security.md").read_text().partition("| finding | where | why |")[2].partition("\n\n")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| B")]
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        for code in re.findall(r"B\d{3}", row[1]):
            found[code] = (*found.get(code, ()), *re.findall(r"`([^`]+)`", row[2]))
    return found


def test_every_finding_of_bandit_is_explained() -> None:
    pytest.importorskip("bandit")
    argv = [sys.executable, "-m", "bandit", "-q", "-r", "envbuild", "-f", "json"]
    results = json.loads(programs.run(argv, cwd=ROOT, check=False, timeout=300).stdout)["results"]
    found = {(one["test_id"], one["filename"].removeprefix("envbuild/")) for one in results}
    known = explained()
    unknown = sorted(f"{code} in {file}" for code, file in found if not file.startswith(known.get(code, ("/",))))
    assert unknown == []
    assert known.keys() <= {code for code, _ in found}, "the table explains what is not found any more"


def test_zizmor_finds_nothing_in_our_workflows() -> None:
    program = Path(sys.executable).with_name("zizmor")
    if not program.exists():
        pytest.skip("zizmor is not installed")
    workflows = sorted((ROOT / "ci/github").glob("*.yml"))
    done = programs.run(
        [str(program), "--offline", "--quiet", *map(str, workflows)], cwd=ROOT, check=False, timeout=120
    )
    assert done.code == 0, done.stdout

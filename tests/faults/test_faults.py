"""Each fault, injected for real; what must hold afterwards is in `faults.py` and `killing.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from envbuild import programs
from tests.faults.faults import DISK_FAULTS, FAULTS, may_mount

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVBUILD_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_loses_nothing(tmp_path: Path, name: str) -> None:
    FAULTS[name](tmp_path)


@pytest.mark.parametrize("name", DISK_FAULTS)
def test_nor_does_a_disk(tmp_path: Path, name: str) -> None:
    if not may_mount():
        pytest.skip("only root may mount a small file system")
    DISK_FAULTS[name](tmp_path)


def test_thirty_kills_at_random_instants_lose_nothing() -> None:
    argv = [sys.executable, "-m", "tests.faults.killing", "30", "1"]
    done = programs.run(argv, cwd=ROOT, timeout=580)
    rows = json.loads(done.stdout)
    assert [row["why"] for row in rows if row["lost"]] == []
    assert sum(row["tried"] for row in rows) == sum(row["survived"] for row in rows) == 30
    assert sum(row["killed"] for row in rows) >= 5

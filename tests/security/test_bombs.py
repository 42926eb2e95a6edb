"""What is made to explode is refused: nesting, references, numbers and texts without measure; each in a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from envbuild import programs

LOCK = "version: 1\nmetadata: {}\npackage:\n"
ALIASES = "".join(f"- &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]\n" for at in range(1, 40))
DEEP = 100_000
BOMBS = {
    "conda-lock.yml": {
        "flow": LOCK[:-1] + " " + "[" * DEEP,
        "flow map": LOCK[:-1] + " " + "{a: " * DEEP,
        "block": LOCK + "".join(f"{' ' * at}-\n" for at in range(1, 3000)),
        "indicators": LOCK + "- " * DEEP + "x",
        "keys": LOCK + "? " * DEEP + "x",
        "aliases": f"{LOCK}- &a0 [x, x, x]\n{ALIASES}",
        "version": f"version: {'9' * 5000}\nmetadata: {{}}\npackage: []\n",
        "number": f"{LOCK}- name: a\n  size: {'9' * 5000}\n",
        "object": f"{LOCK}- !!python/object/apply:os.system ['touch HACKED']\n",
    },
    "pylock.toml": {
        "arrays": 'lock-version = "1.0"\nx = ' + "[" * DEEP,
        "tables": f'lock-version = "1.0"\n[{".".join(["a"] * 20_000)}]\n',
        "number": f'lock-version = "1.0"\nx = {"9" * 5000}\n',
        "marker": 'lock-version = "1.0"\ncreated-by = "x"\npackages = []\nenvironments = ["' + "(" * 5000 + '"]\n',
    },
    "environment.yml": {
        "flow": "dependencies: " + "[" * DEEP,
        "flow map": "dependencies: " + "{a: " * DEEP,
        "block": "dependencies:\n" + "".join(f"{' ' * at}-\n" for at in range(1, 3000)),
        "indicators": "dependencies:\n" + "- " * DEEP + "x",
        "aliases": f"x:\n- &a0 [x, x, x]\n{ALIASES}dependencies: [python]\n",
        "merges": "x: &a {b: c}\n" + "".join(f"y{at}: &b{at} {{<<: [*a, *a]}}\n" for at in range(400)),
        "marker": f"dependencies: [{{pip: ['six; {'(' * 5000}']}}]\n",
        "object": "dependencies: [!!python/object/apply:os.system ['touch HACKED']]\n",
        "number": f"dependencies: [{'9' * 5000}]\n",
    },
    "pyproject.toml": {
        "arrays": "x = " + "[" * DEEP,
        "tables": f"[{'.'.join(['a'] * 20_000)}]\n",
        "number": f"[tool.envbuild]\npython = {'9' * 5000}\n",
        "brackets": f'[tool.envbuild]\npip = ["six{"[" * 5000}"]\n',
    },
    "azureml_environment.json": {"arrays": '{"docker": ' + "[" * DEEP, "number": '{"version": ' + "9" * 5000 + "}"},
    "requirements.txt": {
        "includes": "-r requirements.txt\n",
        "brackets": "six; " + "(" * 5000 + "\n",
        "line": "x" * 1_000_000 + "\n",
        "continued": "x\\\n" * 100_000,
        "lines": "six\n" * 200_000,
    },
}
CASES = [(file, name) for file, found in BOMBS.items() for name in found]
READ = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from pathlib import Path
from envbuild.core.errors import EnvbuildError
from envbuild.lockfile import load_lock
from envbuild.read import read_definition
path = Path(sys.argv[1])
try:
    (load_lock if "lock" in path.name else read_definition)(path)
    print("read")
except EnvbuildError as error:
    print("refused")
    assert len(str(error)) < 200_000
"""


@pytest.mark.parametrize(("file", "name"), CASES, ids=["-".join(case) for case in CASES])
def test_a_bomb_is_refused_or_read_within_bounds(tmp_path: Path, file: str, name: str) -> None:
    path = tmp_path / file
    path.write_text(BOMBS[file][name])
    done = programs.run([sys.executable, "-c", READ, str(path)], cwd=tmp_path, check=False, timeout=60)
    assert done.code == 0, done.stderr[-2000:]
    assert done.stdout.strip() in ("refused", "read")
    assert [one.name for one in tmp_path.iterdir()] == [file]


def test_a_definition_beyond_measure_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    done = programs.run([sys.executable, "-m", "envbuild", "lock", str(path)], check=False, timeout=60)
    assert done.code == 3
    assert "16 MiB" in done.stderr


def test_nor_is_a_lock(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text("dependencies: [python]\n")
    with (tmp_path / "conda-lock.yml").open("wb") as file:
        file.truncate(1 << 40)
    argv = [sys.executable, "-m", "envbuild", "lock", "--check", str(tmp_path / "environment.yml")]
    done = programs.run(argv, check=False, timeout=60)
    assert done.code == 4
    assert "MiB" in done.stderr


@pytest.mark.parametrize("name", ["/dev/zero", "pipe"])
def test_a_source_that_never_ends_is_not_read(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "requirements.txt").write_text("six\n")
    lock = f'lock-version = "1.0"\ncreated-by = "x"\npackages = []\n[tool.envbuild]\ndefinition-hash = "{"a" * 64}"\n'
    sources = f'[tool.envbuild.sources]\n"requirements.txt" = "{"b" * 64}"\n"{name}" = "{"b" * 64}"\n'
    (tmp_path / "pylock.toml").write_text(lock + sources)
    argv = [sys.executable, "-m", "envbuild", "lock", "--check", str(tmp_path / "requirements.txt")]
    assert programs.run(argv, check=False, timeout=60).code in (1, 4)

"""What our pre-commit hooks take on a project with 50 environments: `python -m benchmarks.hooks [--check] [--json]`.

The peer is pre-commit itself: the same run with hooks that do nothing. Nothing changed since the locks were made. The numbers
are seconds of the processor, which other work on the machine does not change; `added_wall` is what a person waits for besides.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from benchmarks.timing import Row, report, run
from tests.support.locked_project import BASE, make_lock, pip_package

ROOT = Path(__file__).parents[1]
ENVIRONMENTS, PACKAGES, ROUNDS = 50, 120, 7
HOOKS = ("envbuild-lock-check", "envbuild-secrets", "envbuild-dockerfile")
BAR = 0.5
"""Seconds of the processor that a hook may take besides what pre-commit itself does."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hooks", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 where a hook takes more than its bar")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="envbuild-hooks-") as folder:
        rows = list(_rows(Path(folder)))
    return report(rows, as_json=arguments.json, check=arguments.check)


def _rows(folder: Path) -> Iterator[Row]:
    project = folder / "project"
    project.mkdir()
    _write(project)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))}
    env |= {"PRE_COMMIT_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    run(["git", "init", "-q"], cwd=project, env=env)
    run(["git", "add", "-A"], cwd=project, env=env)
    for hook in HOOKS:
        ours, theirs = (
            lambda name=name: run(  # type: ignore[misc]
                [sys.executable, "-m", "pre_commit", "run", "--all-files", name], cwd=project, env=env
            )
            for name in (hook, f"nothing-{hook}")
        )
        mine, other = [], []
        for _ in range(ROUNDS):
            mine.append(_cost(ours))
            other.append(_cost(theirs))
        added = statistics.median(wall for _, wall in mine) - statistics.median(wall for _, wall in other)
        peer = statistics.median(cpu for cpu, _ in other)
        yield Row(
            what=f"{hook}, {ENVIRONMENTS} environments",
            peer="a hook that does nothing",
            ours=[cpu for cpu, _ in mine],
            theirs=[cpu for cpu, _ in other],
            bar=(peer + BAR) / peer,
            notes={"added_wall": round(added, 3)},
        )


def _cost(action: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of the processor, and of the clock, that the processes which `action` starts take."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    action()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - begin


def _write(project: Path) -> None:
    definition = project / "pyproject.toml"
    names = [f"env{number}" for number in range(ENVIRONMENTS)]
    tables = "".join(f'[tool.envbuild.environments.{name}]\npip = ["package-0"]\n' for name in names)
    definition.write_text(f'[tool.envbuild]\nbase = "{BASE}"\npython = "3.12"\n{tables}')
    chain = [pip_package(f"package-{at}", "1.0", needs=[f"package-{at + 1}"]) for at in range(PACKAGES - 1)]
    for name in names:
        make_lock(definition, [*chain, pip_package(f"package-{PACKAGES - 1}", "1.0")], environment=name)
    (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump(_config()))


def _config() -> dict[str, object]:
    declared = {one["id"]: one for one in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    hooks = []
    for name in HOOKS:
        one = {key: value for key, value in declared[name].items() if key != "minimum_pre_commit_version"}
        hooks.append({**one, "language": "system", "entry": f"{sys.executable} -m {one['entry']}"})
        hooks.append({**one, "id": f"nothing-{name}", "language": "system", "entry": "true"})
    return {"repos": [{"repo": "local", "hooks": hooks}]}


if __name__ == "__main__":
    sys.exit(main())

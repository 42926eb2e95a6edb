"""What our pre-commit hooks take on projects with 50 environments: `python -m benchmarks.hooks [--check] [--json]`.

Two projects in which nothing changed since the locks were made: one pyproject.toml with 50 environments, and 50 folders with an
environment.yml and a conda-lock.yml each. The peer is pre-commit itself: the same run with a hook that does nothing, in turn. What counts
is the time that a person waits: the least of several rounds on each side, for other work on the machine only adds to it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from benchmarks.timing import Row, in_turn, report, run
from envbuild.core.lock import CondaPackage, PipPackage
from tests.support.locked_project import BASE, make_lock, pip_package

ROOT = Path(__file__).parents[1]
ENVIRONMENTS, PACKAGES, ROUNDS = 50, 120, 15
HOOKS = ("envbuild-lock-check", "envbuild-secrets", "envbuild-dockerfile")
BAR = 2.0
"""A hook may add as much as pre-commit itself takes, which is a fraction of a second; so the bar means the same on a busy machine."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hooks", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 where a hook takes more than its bar")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="envbuild-hooks-") as folder:
        rows = list(_rows(Path(folder)))
    return report(rows, as_json=arguments.json, check=arguments.check)


def _rows(folder: Path) -> Iterator[Row]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))}
    env |= {"PRE_COMMIT_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    for name, write in {"one file": _one_file, "50 folders": _folders}.items():
        project = folder / name.replace(" ", "-")
        project.mkdir()
        write(project)
        (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump(_config()))
        run(["git", "init", "-q"], cwd=project, env=env)
        run(["git", "add", "-A"], cwd=project, env=env)
        for hook in HOOKS:
            yield _row(f"{hook}, {name}", hook, project, env)


def _row(what: str, hook: str, project: Path, env: Mapping[str, str]) -> Row:
    ours, theirs = (
        lambda name=name: run(  # type: ignore[misc]
            [sys.executable, "-m", "pre_commit", "run", "--all-files", name], cwd=project, env=env
        )
        for name in (hook, f"nothing-{hook}")
    )
    mine, other = (min(times) for times in in_turn(ours, theirs, ROUNDS))
    return Row(
        what=what,
        peer="a hook that does nothing",
        ours=[mine],
        theirs=[other],
        bar=BAR,
        notes={"added": round(mine - other, 3)},
    )


def _one_file(project: Path) -> None:
    definition = project / "pyproject.toml"
    names = [f"env{number}" for number in range(ENVIRONMENTS)]
    tables = "".join(f'[tool.envbuild.environments.{name}]\npip = ["package-0"]\n' for name in names)
    definition.write_text(f'[tool.envbuild]\nbase = "{BASE}"\npython = "3.12"\n{tables}')
    for name in names:
        make_lock(definition, _chain(), environment=name)


def _folders(project: Path) -> None:
    text = "channels: [https://conda.example/channel]\ndependencies: [python=3.12, {pip: [package-0]}]\n"
    channel = "https://conda.example/channel"
    python = CondaPackage(
        name="python",
        version="3.12.4",
        build="0",
        platform="linux-64",
        subdir="linux-64",
        channel=channel,
        url=f"{channel}/linux-64/python-3.12.4-0.conda",
        sha256="ab" * 32,
        md5="cd" * 16,
    )
    for number in range(ENVIRONMENTS):
        definition = project / f"team{number}" / "environment.yml"
        definition.parent.mkdir()
        definition.write_text(text)
        make_lock(definition, _chain(), conda=[python], channels=[channel])


def _chain() -> list[PipPackage]:
    chain = [pip_package(f"package-{at}", "1.0", needs=[f"package-{at + 1}"]) for at in range(PACKAGES - 1)]
    return [*chain, pip_package(f"package-{PACKAGES - 1}", "1.0")]


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

"""The cases under `fixtures/cases`: a definition, its lock, how to render them, and the Dockerfile that comes out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envbuild.context import Context
from envbuild.core.keys import sha256
from envbuild.core.plan import App, AppFile, Plan, make_plan
from envbuild.lockfile import load_lock
from envbuild.read import read_definition
from envbuild.render import RenderOptions, render

CASES = Path(__file__).parents[2] / "fixtures" / "cases"
_DEFINITIONS = ("pyproject.toml", "environment.yml", "requirements.txt")
_LOCKS = ("conda-lock.yml", "pylock.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One folder."""

    folder: Path

    @property
    def expected(self) -> Path:
        """Return the golden Dockerfile's path."""
        return self.folder / "expected.Dockerfile"

    def plan(self) -> Plan:
        """Read definition and lock and make the plan."""
        definition = next(path for name in _DEFINITIONS if (path := self.folder / name).exists())
        lock = next(path for name in _LOCKS if (path := self.folder / name).exists())
        return make_plan(read_definition(definition), load_lock(lock), app=self._app())

    def context(self) -> Context:
        """Render the plan as `case.json` says."""
        wishes = {name: value for name, value in self._wishes().items() if name != "app"}
        return render(self.plan(), options=RenderOptions(**wishes), root=self.folder)

    def _wishes(self) -> dict[str, Any]:
        path = self.folder / "case.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def _app(self) -> App | None:
        said = self._wishes().get("app")
        if said is None:
            return None
        files = tuple(
            AppFile(path=f"{said['root']}/{name}", content=text.encode(), sha256=sha256(text.encode()))
            for name, text in said["files"].items()
        )
        return App(
            files=files,
            command=tuple(said["command"]),
            variables=tuple(said["variables"].items()),
            port=said["port"],
            health=said["health"],
            workdir=said["workdir"],
        )


def cases() -> list[Case]:
    """Return every case, by name."""
    return [Case(folder=path) for path in sorted(CASES.iterdir()) if path.is_dir()]

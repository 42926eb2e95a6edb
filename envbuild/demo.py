"""The main job from end to end on a real environment and a real model: what `envbuild demo` does."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from envbuild import api
from envbuild.core.bases import DEBIAN_PYTHON, UBUNTU_PYTHON
from envbuild.core.errors import EngineError, EnvbuildError
from envbuild.core.plan import Plan
from envbuild.core.progress import Progress
from envbuild.engines.detect import container_engine
from envbuild.files import new_folder
from envbuild.served import serve_container, serve_local


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What the demo made: `answer` is what the service said to the two rows, `seconds` what each step took."""

    folder: Path
    lock: Path
    image_key: str
    context: Path
    served_by: str
    answer: object
    seconds: dict[str, float] = field(default_factory=dict)


class _Watch:
    """Runs named steps, shows them, and keeps what each took."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        start = time.monotonic()
        with self.progress.step(title):
            yield
        self.seconds[title] = round(time.monotonic() - start, 2)


def demo(folder: Path, *, base: str = "", engine: str = "auto", overwrite: bool = False, progress: Progress) -> Demo:
    """Lock, train, register, package and serve in `folder`, and ask the service about two flowers.

    `base` is a base image instead of the default one; `engine` a container engine, `local`, or `auto`.

    Raises:
        EnvbuildError: a step failed.
    """
    watch = _Watch(progress)
    write_project(folder, base=base, overwrite=overwrite)
    definition = folder / "pyproject.toml"
    with watch.step("lock the environment"):
        locked = api.lock(definition, progress=progress)
    with watch.step("install it and train the model"):
        _train(folder, locked, progress)
    with watch.step("register the model"):
        model = _register(folder)
    with watch.step("package model, script and lock"):
        package = _package(folder, definition, model, progress)
    with watch.step("serve the package and ask it"):
        served_by, answer = _serve(package, folder, engine, progress)
    return Demo(
        folder=folder,
        lock=locked.path,
        image_key=package.plan.image_key,
        context=folder / "package",
        served_by=served_by,
        answer=answer,
        seconds=watch.seconds,
    )


def write_project(folder: Path, *, base: str = "", overwrite: bool = False) -> None:
    """Write the demo's definition and scripts, for the Python that runs now and a base that has it.

    Raises:
        EnvbuildError: `folder` exists and is not empty (unless `overwrite`).
    """
    source = demo_files()
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    with new_folder(folder, overwrite=overwrite) as target:
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.in", "__pycache__"))
        text = Template((source / "pyproject.toml.in").read_text(encoding="utf-8"))
        filled = text.substitute(python=python, base=base or default_base(python), allowed='["debian"]')
        (target / "pyproject.toml").write_text(filled, encoding="utf-8")


def default_base(python: str) -> str:
    """Return an image whose release has Python `python` (`3.11`) in its archive: Ubuntu where there is one, else Debian."""
    for name, table in (("ubuntu", UBUNTU_PYTHON), ("debian", DEBIAN_PYTHON)):
        for release, version in table.items():
            if version == python:
                return f"{name}:{release}"
    return "ubuntu:24.04"


def demo_files() -> Path:
    """Return the folder with the demo's files: in the wheel, or in a checkout."""
    packaged = Path(__file__).with_name("_demo")
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "fixtures" / "demo"


def _train(folder: Path, locked: api.Locked, progress: Progress) -> None:
    from envbuild import programs

    environment = api.install(locked.lock, root=folder, progress=progress)
    done = programs.run([str(environment.python), "train.py"], cwd=folder)
    progress.note(done.stdout.strip())


def _register(folder: Path) -> str:
    from envbuild.workspace.models import register_model
    from envbuild.workspace.workspace import Workspace

    workspace = Workspace.create(folder)
    return register_model(workspace, "iris", folder / "outputs" / "model.joblib", framework="ScikitLearn").id


def _package(folder: Path, definition: Path, model: str, progress: Progress) -> api.Package:
    from envbuild.app import Scoring
    from envbuild.workspace.workspace import Workspace

    package = api.package(
        definition,
        models=[api.served_model(model, Workspace.find(folder))],
        scoring=Scoring(entry_script=Path("score.py"), source_directory=folder / "service"),
        # the context is for a machine that can reach the registry, even where this one cannot
        allow_unpinned_base=True,
        progress=progress,
    )
    api.write_context(package.plan, folder / "package", overwrite=True, root=package.root)
    return package


def _serve(package: api.Package, folder: Path, engine: str, progress: Progress) -> tuple[str, object]:
    rows = (folder / "rows.json").read_bytes()
    if engine != "local":
        try:
            return _serve_container(package.plan, package.root, engine, rows, progress)
        except EngineError as error:
            if engine != "auto":
                raise
            progress.note(f"no container: {error.problems[0].message.splitlines()[0]}; the local engine serves instead")
    with serve_local(package, port=free_port(), progress=progress) as service:
        return "local", ask(f"{service.url}/score", rows)


def _serve_container(plan: Plan, root: Path, engine: str, rows: bytes, progress: Progress) -> tuple[str, object]:
    if not plan.lock.base.digest:
        raise EngineError(f"the base image {plan.lock.base.reference} is out of reach")
    runner = container_engine(engine).name
    image = api.image(plan, engine=runner, root=root, progress=progress)
    with serve_container(image, plan, port=free_port()) as url:
        return image.engine, ask(f"{url}/score", rows)


def ask(url: str, body: bytes) -> object:
    """Post `body` as JSON to `url` and return the answer.

    Raises:
        EnvbuildError: it did not answer with JSON and 200.
    """
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)
    except (OSError, ValueError) as error:
        raise EnvbuildError(f"{url} did not answer: {error}") from error


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""Our Dockerfile against the layouts of peers, on one engine: `python -m benchmarks.image [--check] [--full] [--json]`.

The same wheels (scikit-learn, pandas and what they need, and one tiny package whose pin changes) come from a loopback
index for every side, so no side waits for the network; both sides install hash-pinned requirements and compile bytecode.

| peer | layout, as its generator writes it (mlflow 2.19, repo2docker and cog of August 2026) |
| --- | --- |
| mlflow | the model and its code, then `pip install`, variables, access rights |
| repo2docker | user and folder, requirements, `pip install --no-cache-dir`, code, variables and labels, two programs of its own |
| cog | variables, uv, requirements, `pip install` with a cache mount, then `COPY . /src` last |

An engine that finds every step in its cache takes nearly all of its time for itself: `FROM` alone takes about nine tenths of what
any of these Dockerfiles takes (the row "of FROM alone"). So `docker build` of an unchanged context, or of one in which a variable alone
changed, is held to be as fast as theirs, and what a person types here, `envbuild image`, to be faster.

Each starts from a tag, as theirs do. In their favour, steps are left out that need more than the index: apt, conda, mlflow's and
cog's own packages, and the frontend image that cog's first line names.

Azure's (`conda env create`) is not run: it needs a conda, which is on no registry that this machine reaches.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.image_rendered import rows as rendered
from benchmarks.timing import Row, in_turn, report, run
from envbuild import programs
from envbuild.context import write_context
from envbuild.core.definition import Definition
from envbuild.core.keys import sha256
from envbuild.core.lock import Lock, LockedBase, LockedPython, PipPackage
from envbuild.core.plan import App, AppFile, make_plan
from envbuild.files import cache_root, exclusive, new_folder
from envbuild.render import render
from tests.support import base_image
from tests.support.engine import Engine
from tests.support.index import Index, Release
from tests.support.installers import locked, publish_installers
from tests.support.provision import engine_environment

REQUIREMENTS = ("scikit-learn", "pandas")
PYTHON = "3.11"
COLD_BAR = PIN_BAR = SAME_BAR = SIZE_BAR = 1.0
AS_FAST = 1.1
"""The bar of a step that the engine does alike for every side: what lies between is how far two medians of one side lie apart."""

QUICK, MANY = 3.0, 9
"""Steps that take both sides less seconds are timed so often, as that costs little and steadies the median."""
MOST = 40
"""How often the quickest steps are timed, in which nothing is built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What an image is built of; each number names one version of one part."""

    pin: int = 0
    script: int = 0
    variable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The engine, the index with the wheels, and the base image that every side starts from."""

    engine: Engine
    index: Index
    base: base_image.BaseImage
    packages: tuple[Release, ...]
    tools: tuple[PipPackage, ...]
    project: Path

    def releases(self, state: State) -> list[Release]:
        """Return what is installed in `state`, publishing the tiny package's version when it is new."""
        version = f"1.{state.pin}"
        found = [one for one in self.index.releases if (one.name, one.version) == ("pinned", version)]
        return [*self.packages, found[0] if found else self.index.add("pinned", version)]

    def requirements(self, state: State) -> str:
        """Return the hash-pinned requirements file of peers."""
        lines = [f"--index-url {self.index.url}"]
        lines += [f"{one.name}=={one.version} --hash=sha256:{one.sha256}" for one in self.releases(state)]
        return "\n".join(lines) + "\n"


CHANGES = {
    "nothing changed: docker build": "",
    "one pin changed": "pin",
    "the script changed": "script",
    "a variable changed": "variable",
}

BARS = {"": AS_FAST, "variable": AS_FAST, "pin": PIN_BAR}

Write = Callable[[Bench, State, Path], None]


def script(state: State) -> str:
    """Return the scoring script of `state`."""
    return f"VERSION = {state.script}\n\n\ndef init(): ...\n\n\ndef run(data): return data\n"


def ours(bench: Bench, state: State, folder: Path) -> None:
    """Write our context."""
    lock = Lock(
        definition_hash="",
        platforms=("linux-64",),
        pip=tuple(locked(bench.index, one) for one in bench.releases(state)),
        tools=bench.tools,
        index_url=bench.index.url,
        python=LockedPython(version=PYTHON, provider="base", interpreter="/usr/bin/python3"),
        base=LockedBase(reference=bench.base.reference, digest=bench.base.digest, distribution="debian 12"),
    )
    text = script(state).encode()
    file = AppFile(path="/var/azureml-app/score.py", content=text, sha256=sha256(text))
    app = App(files=(file,), command=("python", "score.py"), variables=(("LEVEL", str(state.variable)),))
    definition = Definition(kind="requirements", name="benchmark", allow_distribution=("debian",))
    write_context(render(make_plan(definition, lock, app=app)), folder)


def from_alone(bench: Bench, state: State, folder: Path) -> None:
    """Write a context of nothing but the base."""
    del state
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {bench.base.reference}\n")


def _peer(dockerfile: str, **programs_of_its_own: Path) -> Write:
    def write(bench: Bench, state: State, folder: Path) -> None:
        (folder / "src").mkdir(parents=True)
        text = dockerfile.format(base=bench.base.reference, level=state.variable)
        (folder / "Dockerfile").write_text(text)
        (folder / "src/requirements.txt").write_text(bench.requirements(state))
        (folder / "src/score.py").write_text(script(state))
        for name, path in programs_of_its_own.items():
            shutil.copy2(path, folder / name)

    return write


PEERS: dict[str, Write] = {
    "mlflow": _peer(
        'FROM {base}\nENV PATH="/opt/env/bin:$PATH"\nWORKDIR /opt/mlflow\nCOPY src /opt/ml/model\n'
        "RUN python3 -m venv /opt/env && pip install --no-deps --require-hashes -r /opt/ml/model/requirements.txt\n"
        'ENV LEVEL="{level}"\nRUN chmod o+rwX /opt/mlflow\nCMD ["python", "/opt/ml/model/score.py"]\n'
    ),
    "repo2docker": _peer(
        "FROM {base}\nENV SHELL=/bin/bash USER=app HOME=/home/app\nRUN groupadd --gid 1000 app\n"
        'RUN useradd --create-home --gid 1000 --uid 1000 app\nEXPOSE 8888\nENV PATH="/opt/env/bin:$PATH"\nUSER root\n'
        "RUN test -d /home/app\nWORKDIR /home/app\nRUN chown app:app /home/app\n"
        "COPY --chown=app:app src/requirements.txt /home/app/requirements.txt\n"
        "RUN python3 -m venv /opt/env && pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt\n"
        'USER root\nCOPY --chown=app:app src/ /home/app/\nENV LEVEL="{level}"\nLABEL repo2docker.version="1"\nUSER app\n'
        "COPY --chmod=0755 login /usr/local/bin/login\nCOPY --chmod=0755 entrypoint /usr/local/bin/entrypoint\n"
        'ENTRYPOINT ["/usr/local/bin/entrypoint"]\nCMD ["python", "score.py"]\n',
        login=Path("/bin/true"),
        entrypoint=Path("/bin/true"),
    ),
    "cog": _peer(
        'FROM {base}\nENV PYTHONUNBUFFERED=1\nENV LEVEL="{level}" PATH="/opt/env/bin:$PATH"\nCOPY uv /usr/local/bin/\n'
        "COPY src/requirements.txt /tmp/requirements.txt\n"
        "RUN --mount=type=cache,target=/root/.cache/pip python3 -m venv /opt/env && "
        "pip install --no-deps --require-hashes -r /tmp/requirements.txt\n"
        'WORKDIR /src\nEXPOSE 5000\nCMD ["python", "score.py"]\nCOPY src /src\n',
        uv=Path(sys.executable).with_name("uv"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One layout: how its context is written, and the image that it becomes.

    Only the build is timed: whoever generates a Dockerfile does that once, and the engine is what is compared.
    """

    bench: Bench
    write: Write
    name: str

    @property
    def place(self) -> Path:
        """Its context has always the same place, as a project's has."""
        return Path(tempfile.gettempdir()) / f"envbuild-benchmark-{self.name}"

    def prepare(self, state: State) -> None:
        """Write the context of `state`."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.write(self.bench, state, self.place)

    def build(self, *options: str) -> None:
        """Build what was written."""
        self.bench.engine.build(self.place, tag=f"benchmark-{self.name}", options=options)


def size(bench: Bench, name: str) -> float:
    """Return the image's size in bytes."""
    return float(bench.engine.docker("image", "inspect", "--format={{.Size}}", f"benchmark-{name}").stdout)


def compare(bench: Bench, peer: str, rounds: int, start: int) -> Iterator[Row]:
    """Yield the rows against one peer; `start` is a number from which no state was built before."""
    mine, other = Side(bench=bench, write=ours, name="ours"), Side(bench=bench, write=PEERS[peer], name=peer)

    turns = itertools.cycle((False, True))

    def one_turn(ours: Callable[[], None], theirs: Callable[[], None]) -> tuple[list[float], list[float]]:
        # the first would pay for what both contexts left to be written to the disk, as the engine waits for it
        if next(turns):
            second, first = in_turn(theirs, ours, 1, before=os.sync)
            return first, second
        return in_turn(ours, theirs, 1, before=os.sync)

    def timed(state: State, *options: str) -> tuple[list[float], list[float]]:
        mine.prepare(state)
        other.prepare(state)
        return one_turn(partial(mine.build, *options), partial(other.build, *options))

    state = State(pin=start, script=start, variable=start)
    cold = _repeated(lambda: timed(state, "--no-cache"), rounds)
    yield Row(what="cold build", peer=peer, ours=cold[0], theirs=cold[1], bar=COLD_BAR)
    # the cache of --no-cache builds is not looked up, so both sides are built once more before the rest
    timed(state)
    for what, part in CHANGES.items():

        def change(part: str = part) -> tuple[list[float], list[float]]:
            nonlocal state
            state = replace(state, **{part: getattr(state, part) + 1}) if part else state
            return timed(state)

        sides = _repeated(change, rounds, MOST if BARS.get(part) == AS_FAST else MANY)
        yield Row(what=what, peer=peer, ours=sides[0], theirs=sides[1], bar=BARS.get(part, SAME_BAR))
    floor = Side(bench=bench, write=from_alone, name="floor")
    floor.prepare(state)
    alone = _repeated(lambda: one_turn(floor.build, other.build), rounds, MOST)
    yield Row(what="nothing changed: docker build of FROM alone", peer=peer, ours=alone[0], theirs=alone[1])
    typed = _repeated(lambda: one_turn(partial(typed_again, bench), other.build), rounds, MOST)
    yield Row(what="nothing changed: envbuild image", peer=peer, ours=typed[0], theirs=typed[1], bar=SAME_BAR)
    megabytes = [[size(bench, name) / 1e6] for name in ("ours", peer)]
    yield Row(what="image size (MB)", peer=peer, ours=megabytes[0], theirs=megabytes[1], bar=SIZE_BAR)


def _repeated(
    once: Callable[[], tuple[list[float], list[float]]], rounds: int, many: int = MANY
) -> tuple[list[float], list[float]]:
    """Time both sides `rounds` times, quick steps `many` times."""
    sides: tuple[list[float], list[float]] = ([], [])
    while len(sides[0]) < rounds or (len(sides[0]) < many and max(sides[0] + sides[1]) < QUICK):
        found = once()
        sides[0].extend(found[0])
        sides[1].extend(found[1])
    return sides


def typed_again(bench: Bench) -> None:
    """Run what a person types a second time: `envbuild image`, as a process, on a definition whose image exists."""
    argv = [sys.executable, "-m", "envbuild", "image", "--quiet", "--network", "host", str(bench.project)]
    run(argv, cwd=bench.project.parent, env=bench.engine.environment())


def project(index: Index, base: base_image.BaseImage, folder: Path) -> Path:
    """Write a definition of the tiny package alone: what else is in an image makes no difference once it exists."""
    index.add("pinned", "1.0")
    path = folder / "pyproject.toml"
    path.write_text(
        f'[tool.envbuild]\nbase = "{base.reference}"\nallow-distribution = ["debian"]\npython = "3.11"\n'
        f'pip = ["pinned"]\nindex-url = "{index.url}"\n'
    )
    return path


def wheels() -> list[Path]:
    """Return the wheels of the environment, downloaded once."""
    place = cache_root() / "benchmarks" / f"image-{PYTHON}"
    with exclusive(place.with_suffix(".lock")):
        if not place.is_dir():
            with new_folder(place) as folder:
                options = ["--only-binary=:all:", f"--python-version={PYTHON}", "--platform=manylinux_2_28_x86_64"]
                options += ["--platform=manylinux2014_x86_64", "--platform=manylinux_2_27_x86_64"]
                programs.run(
                    [sys.executable, "-m", "pip", "download", "-q", "-d", str(folder), *options, *REQUIREMENTS]
                )
    return sorted(place.glob("*.whl"))


def _release(path: Path) -> Release:
    name, version = path.name.split("-")[:2]
    return Release(
        name=name.replace("_", "-").lower(),
        version=version,
        file_name=path.name,
        content=path.read_bytes(),
        upload_time="2024-01-01T00:00:00Z",
        yanked="",
        requires_python="",
    )


@contextlib.contextmanager
def prepared() -> Iterator[Bench]:
    """Yield everything that a comparison needs; the engine is started and stopped here."""
    with contextlib.ExitStack() as stack:
        variables = stack.enter_context(engine_environment())
        if reason := variables.get("ENVBUILD_TEST_ENGINE_SKIP"):
            sys.exit(f"no container engine: {reason}")
        os.environ.update(variables)
        engine = Engine.from_environment(stack)
        index = stack.enter_context(Index())
        packages = tuple(map(_release, wheels()))
        index.releases.extend(packages)
        base = base_image.provide(engine, base_image.PYTHON)
        tools = publish_installers(index)
        place = project(index, base, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="envbuild-project-"))))
        bench = Bench(engine=engine, index=index, base=base, packages=packages, tools=tools, project=place)
        typed_again(bench)
        yield bench


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.image", description=__doc__)
    parser.add_argument(
        "--part",
        choices=["builds", "rendered"],
        default="builds",
        help="builds beside peers (default), or real definitions and Dockerfiles rendered (see benchmarks/image_rendered.py)",
    )
    parser.add_argument("--contexts", type=Path, metavar="DIR", help="for rendered: Dockerfiles, say checkouts")
    parser.add_argument("--peer", action="append", choices=sorted(PEERS), help="only this peer; may be repeated")
    parser.add_argument("--check", action="store_true", help="fewer rounds; exit 1 and name each bar that is missed")
    parser.add_argument("--full", action="store_true", help="five rounds")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    arguments = parser.parse_args(argv)
    rounds = 5 if arguments.full else 1 if arguments.check else 3
    if arguments.part == "rendered":
        return report(list(rendered(arguments.contexts)), as_json=arguments.json, check=arguments.check)
    rows: list[Row] = []
    with prepared() as bench:
        for number, peer in enumerate(arguments.peer or PEERS):
            rows += compare(bench, peer, rounds, 1000 * (number + 1))
    return report(rows, as_json=arguments.json, check=arguments.check)


if __name__ == "__main__":
    sys.exit(main())

"""SIGKILL at random instants of real work, and what must hold afterwards: nothing lost, nothing half, the next run ends well.

Works run in forked children of one process without threads (`python -m tests.faults.killing`), so that a trial costs no start
of Python and the instants fall on the work itself. The index is a process of its own.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from envbuild import api
from envbuild.core.errors import EnvbuildError
from envbuild.core.keys import sha256
from envbuild.core.lock import Lock, LockedBase, LockedPython
from envbuild.core.platforms import parse_platform, this_platform
from envbuild.engines.local import MARKER
from envbuild.engines.oci.engine import OciEngine
from envbuild.engines.oci.settings import OciSettings
from envbuild.engines.protocol import BuildOptions
from envbuild.files import sha256_of
from envbuild.lockfile import load_lock
from envbuild.net.layers import members
from envbuild.net.oci_layout import image_source
from envbuild.solve.options import SolveOptions
from envbuild.workspace.models import get_model, list_models, register_model
from envbuild.workspace.workspace import Workspace
from tests.oci.making import MERGED_USR, layout, on_disk, plan
from tests.support.index import Index

# nobody listens on port 9, so the digest stays unresolved; the name tells the release
BASE = "127.0.0.1:9/library/debian:12"


class LostError(AssertionError):
    """Something that was there is gone, half, or wrong; or the work cannot go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something that may be killed. `check` raises LostError where `folder` is not as it was or as it shall be."""

    name: str
    prepare: Callable[[Path, str], None]
    run: Callable[[Path], object]
    check: Callable[[Path], None]
    done: Callable[[Path], None]


def demand(condition: object, message: str) -> None:
    if not condition:
        raise LostError(message)


# ── lock ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def prepare_lock(folder: Path, index_url: str) -> None:
    project = folder / "project"
    project.mkdir()
    head = f'[tool.envbuild]\nbase = "{BASE}"\npython = "3.11"\nallow-distribution = ["debian"]\n'
    (project / "pyproject.toml").write_text(f'{head}pip = ["beta==1.0"]\nindex-url = "{index_url}"\n')
    api.lock(project / "pyproject.toml")
    (folder / "old.lock").write_bytes((project / "pylock.toml").read_bytes())
    (project / "pyproject.toml").write_text(f'{head}pip = ["beta", "gamma"]\nindex-url = "{index_url}"\n')


def run_lock(folder: Path) -> object:
    return api.lock(folder / "project/pyproject.toml", options=SolveOptions(update_all=True))


def check_lock(folder: Path) -> None:
    path = folder / "project/pylock.toml"
    demand(path.is_file(), "the lock is gone")
    names = [one.name for one in load_lock(path).pip]
    whole = path.read_bytes() == (folder / "old.lock").read_bytes() or names == ["alpha", "beta", "gamma"]
    demand(whole, f"the lock is neither the old nor the new one: {names}")
    demand((folder / "project/pyproject.toml").stat().st_size > 0, "the definition is gone")


def done_lock(folder: Path) -> None:
    demand(
        [one.name for one in load_lock(folder / "project/pylock.toml").pip] == ["alpha", "beta", "gamma"], "not locked"
    )
    demand(api.check(folder / "project/pyproject.toml").fresh, "the lock is not fresh")


# ── install ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def prepare_install(folder: Path, index_url: str) -> None:
    prepare_lock(folder, index_url)
    run_lock(folder)


def _installed(folder: Path) -> Lock:
    lock = load_lock(folder / "project/pylock.toml")
    # this machine's own interpreter, whichever version it has
    python = LockedPython(version=f"{sys.version_info[0]}.{sys.version_info[1]}", provider="base")
    return Lock(definition_hash=lock.definition_hash, platforms=(this_platform().subdir,), pip=lock.pip, python=python)


def run_install(folder: Path) -> object:
    return api.install(_installed(folder), prefix=folder / "prefix")


def check_install(folder: Path) -> None:
    if (folder / "prefix" / MARKER).exists():
        found = {path.name for path in folder.glob("prefix/lib/*/site-packages/*.py")}
        demand({"alpha.py", "beta.py", "gamma.py"} <= found, f"the marker is there, the packages are not: {found}")
    check_lock(folder)


def done_install(folder: Path) -> None:
    demand((folder / "prefix" / MARKER).exists(), "not installed")
    check_install(folder)


# ── model register ────────────────────────────────────────────────────────────────────────────────────────────────────


def prepare_register(folder: Path, _index: str) -> None:
    workspace = Workspace.create(folder)
    for version in (1, 2):
        model = folder / f"model{version}"
        model.mkdir()
        for number in range(12):
            (model / f"part{number}").write_bytes(bytes([version, number]) * 40_000)
    register_model(workspace, "m", folder / "model1")


def run_register(folder: Path) -> object:
    return register_model(Workspace(folder / ".envbuild"), "m", folder / "model2")


def check_register(folder: Path) -> None:
    with sqlite3.connect(folder / ".envbuild/catalogue.sqlite") as connection:
        (said,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    demand(said == "ok", f"the catalogue is damaged: {said}")
    workspace = Workspace(folder / ".envbuild")
    versions = [one.version for one in list_models(workspace, "m")]
    demand(versions in ([1], [1, 2]), f"versions {versions}")
    for model in list_models(workspace, "m"):
        demand(len(model.tree.files) == 12, "a version has lost files")
        for one in model.tree.files:
            demand(sha256_of(workspace.store.path(one.sha256)) == one.sha256, f"{one.path} is damaged")


def done_register(folder: Path) -> None:
    demand(get_model(Workspace(folder / ".envbuild"), "m").version == 2, "the version is not registered")


# ── oci ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def prepare_oci(folder: Path, _index: str) -> None:
    base = layout(folder / "base", MERGED_USR)
    (folder / "base.json").write_text(json.dumps(asdict(base)))
    for name in ("adder", "greeter"):
        on_disk(folder / "wheels", name, "1.0")


def run_oci(folder: Path) -> object:
    packages = [on_disk(folder / "wheels", name, "1.0") for name in ("adder", "greeter")]
    base = LockedBase(**json.loads((folder / "base.json").read_text()))
    made = plan(folder, pip=packages, base=base)
    output = BuildOptions(output=f"oci:{folder / 'image'}")
    return OciEngine(OciSettings(load=False)).image(made, name="demo/image:1", options=output)


def check_oci(folder: Path) -> None:
    index = folder / "image/index.json"
    if index.exists() and json.loads(index.read_bytes()).get("manifests"):
        _read_whole(folder)


def _read_whole(folder: Path) -> None:
    source = image_source(folder / "image", "")
    image = source.resolve(parse_platform("linux-64"))
    found: set[str] = set()
    for layer in image.layers[1:]:
        with source.blob(layer) as blob:
            found |= {member.name.rpartition("/")[2] for member, _ in members(blob, "layer")}
    demand({"adder.py", "greeter.py"} <= found, "the image lacks packages")


def done_oci(folder: Path) -> None:
    _read_whole(folder)


# ── context ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def run_context(folder: Path) -> object:
    made = api.plan(folder / "project/pyproject.toml", allow_unpinned_base=True)
    return api.write_context(made, folder / "context", overwrite=True, root=folder / "project")


def check_context(folder: Path) -> None:
    if (folder / "context").exists():
        files = {
            str(path.relative_to(folder / "context")) for path in (folder / "context").rglob("*") if path.is_file()
        }
        demand({"Dockerfile", "envbuild/pip/requirements.txt"} <= files, f"the context holds only {sorted(files)}")


def done_context(folder: Path) -> None:
    demand((folder / "context/Dockerfile").is_file(), "there is no context")
    check_context(folder)


WORKS = (
    Work(name="lock", prepare=prepare_lock, run=run_lock, check=check_lock, done=done_lock),
    Work(name="install", prepare=prepare_install, run=run_install, check=check_install, done=done_install),
    Work(name="model register", prepare=prepare_register, run=run_register, check=check_register, done=done_register),
    Work(name="oci image", prepare=prepare_oci, run=run_oci, check=check_oci, done=done_oci),
    Work(name="context", prepare=prepare_install, run=run_context, check=check_context, done=done_context),
)


# ── the killing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def in_child(work: Callable[[], object], quiet: Path) -> int:
    """Start `work` in a forked child with a process group of its own, and return its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        output = os.open(quiet, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        work()
        code = 0
    except BaseException as error:  # noqa: BLE001 - the child ends here, whatever it was
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


def ended(pid: int, seconds: float) -> int | None:
    """Return the exit code of the child `pid` where it ends within `seconds`, else None."""
    until = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            return None
        time.sleep(min(0.001, max(0.0, until - time.monotonic())))


def kill(pid: int, *, group: bool) -> None:
    """Kill the child, or (as a container's end does) all that it started with it."""
    try:
        (os.killpg if group else os.kill)(pid, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(pid, signal.SIGKILL)  # too early: it leads no group yet
    os.waitpid(pid, 0)


@dataclass(slots=True, kw_only=True)
class Row:
    """One line of the table. `survived` are trials after which all held and the next run ended well."""

    fault: str
    tried: int = 0
    killed: int = 0
    survived: int = 0
    lost: int = 0
    why: str = ""


def trial(work: Work, index_url: str, chance: random.Random, row: Row, length: float) -> float:
    """Prepare, kill at a random instant, check, run again, check; return how long the last run took."""
    with tempfile.TemporaryDirectory(prefix="envbuild-kill-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        os.environ["ENVBUILD_CACHE_DIR"] = str(folder / "cache")
        quiet = folder / "log"
        wait_for(in_child(lambda: work.prepare(folder, index_url), quiet), quiet)
        row.tried += 1
        try:
            pid = in_child(lambda: work.run(folder), quiet)
            if ended(pid, chance.uniform(0.0, length)) is None:
                kill(pid, group=chance.random() < 0.5)
                row.killed += 1
            work.check(folder)
            began = time.monotonic()
            wait_for(in_child(lambda: work.run(folder), quiet), quiet)
            took = time.monotonic() - began
            work.done(folder)
        except (LostError, EnvbuildError, OSError, ValueError, sqlite3.Error) as error:
            row.lost += 1
            row.why = row.why or f"{type(error).__name__}: {error}"
            return length
        row.survived += 1
    # the next instant falls into what is left of the work as well as into its beginning
    return (length + took) / 2


def wait_for(pid: int, log: Path, seconds: float = 120.0) -> None:
    code = ended(pid, seconds)
    if code is None:
        kill(pid, group=True)
    demand(code == 0, f"the next run ended with {code}: {log.read_text(errors='replace')[-500:]}")


@contextmanager
def index_process() -> Iterator[str]:
    """Serve an index with `alpha`, `beta` (needs alpha) and `gamma` from a process of its own; yield its URL."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        # who is killed in the middle of an answer makes the server complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with Index() as index:
            index.add("alpha", "1.0", files={"alpha.py": ""})
            index.add("beta", "1.0", requires=["alpha"], files={"beta.py": "", **_ballast("beta")})
            index.add("gamma", "1.0", files={"gamma.py": "", **_ballast("gamma")})
            os.write(writing, index.url.encode())
            os.close(writing)
            while True:
                time.sleep(60)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        url = pipe.read()
    try:
        yield url
    finally:
        kill(pid, group=False)


def _ballast(name: str) -> dict[str, str]:
    return {f"{name}_data/part{number}.txt": sha256(bytes([number])) * 200 for number in range(40)}


def killed(kills: int, seed: int, names: Sequence[str] = ()) -> list[Row]:
    """Kill each work `kills` / number of works times and return the table."""
    chance = random.Random(seed)
    works = [work for work in WORKS if not names or work.name in names]
    rows = [Row(fault=f"SIGKILL during {work.name}") for work in works]
    lengths = [1.0] * len(works)
    with index_process() as url:
        for number in range(kills):
            at = number % len(works)
            lengths[at] = trial(works[at], url, chance, rows[at], lengths[at])
    return rows


if __name__ == "__main__":
    found = killed(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
    print(json.dumps([{name: getattr(row, name) for name in Row.__slots__} for row in found]))

"""Every other fault, injected for real: each function makes one, and raises where something was lost or said wrongly."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess  # noqa: TID251
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from envbuild import api, programs
from envbuild.core.errors import EnvbuildError, IntegrityError, NetworkError
from envbuild.lockfile import load_lock
from envbuild.net.downloads import Download, DownloadCache, download, download_all
from envbuild.net.http import HttpClient, Patience
from envbuild.workspace.models import list_models
from envbuild.workspace.workspace import Workspace
from tests.faults.killing import check_register, demand, prepare_lock, prepare_register
from tests.faults.server import FaultyServer
from tests.support.index import Index

CONTENT = hashlib.sha256(b"seed").digest() * 20_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(connect=2.0, read=1.0, attempts=4, first_wait=0.01, longest_wait=0.05)

Fault = Callable[[Path], None]


def _client() -> HttpClient:
    return HttpClient(patience=QUICK, finder=None, offline=False)


# ── the way here ──────────────────────────────────────────────────────────────────────────────────────────────────────


def passing(fault: str) -> Fault:
    """The fault comes twice, then all is well: the download succeeds, and what it left is right."""

    def inject(folder: Path) -> None:
        times = 1 if fault == "corrupted" else 2
        with FaultyServer(content=CONTENT, faults=[fault] * times).running() as server:
            cache = DownloadCache(root=folder / "cache")
            item = Download(url=server.url, sha256=SHA256, size=len(CONTENT))
            (path,) = download_all([item], folder / "out", _client(), cache=cache)
            demand(path.read_bytes() == CONTENT, "other bytes")
            demand(server.asked >= 2 or fault == "slow", "the fault did not happen")
        demand(not list((folder / "out").glob(".*")), "something half is left")

    return inject


def lasting(fault: str, error: type[EnvbuildError]) -> Fault:
    """The fault does not end: the right error, the old file as it was, and the next run goes on."""

    def inject(folder: Path) -> None:
        target = folder / "file"
        target.write_bytes(b"old")
        cache = DownloadCache(root=folder / "cache")
        with FaultyServer(content=CONTENT, faults=[fault, "*"]).running() as server:
            item = Download(url=server.url, sha256=SHA256, size=len(CONTENT))
            _fails(lambda: download(item, target, _client()), error)
            _fails(lambda: cache.fetch(item, _client()), error)
        demand(target.read_bytes() == b"old", "the old file was touched")
        demand(cache.find(item.integrity) is None, "what is wrong is kept as right")
        with FaultyServer(content=CONTENT).running() as server:
            item = Download(url=server.url, sha256=SHA256, size=len(CONTENT))
            demand(cache.fetch(item, _client()).read_bytes() == CONTENT, "the next run does not go on")

    return inject


def _fails(work: Callable[[], object], error: type[EnvbuildError]) -> None:
    try:
        work()
    except error as raised:
        demand(len(str(raised)) < 2000, "an endless message")
        return
    except EnvbuildError as raised:
        demand(condition=False, message=f"{type(raised).__name__} instead of {error.__name__}: {raised}")
    demand(condition=False, message=f"no {error.__name__}")


def healed(folder: Path) -> None:
    """A file of the cache is damaged on the disk: it is seen on reading, and fetched again."""
    cache = DownloadCache(root=folder / "cache")
    with FaultyServer(content=CONTENT).running() as server:
        item = Download(url=server.url, sha256=SHA256, size=len(CONTENT))
        path = cache.fetch(item, _client())
        path.write_bytes(CONTENT[:-1] + b"x")
        demand(cache.fetch(item, _client()).read_bytes() == CONTENT, "damage was passed on")
        demand(server.asked == 2, "it was not fetched again")


# ── the command line ──────────────────────────────────────────────────────────────────────────────────────────────────


def envbuild(folder: Path, *words: str, **environment: str) -> programs.Completed:
    """Run the command line in `folder` with caches of its own."""
    own = {"ENVBUILD_CACHE_DIR": str(folder / "cache"), "UV_HTTP_RETRIES": "0", "UV_NO_CONFIG": "1", **environment}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_", "ENVBUILD_"))}
    argv = [sys.executable, "-m", "envbuild", *words]
    done = programs.run(argv, cwd=folder, env={**kept, **own}, check=False, timeout=180)
    demand("Traceback" not in done.stderr, f"a traceback: {done.stderr[-1500:]}")
    return done


@contextlib.contextmanager
def project(folder: Path) -> Iterator[Index]:
    """Make a project whose lock is stale, and its index."""
    with Index() as index:
        index.add("alpha", "1.0", files={"alpha.py": ""})
        index.add("beta", "1.0", requires=["alpha"], files={"beta.py": ""})
        index.add("gamma", "1.0", files={"gamma.py": ""})
        os.environ["ENVBUILD_CACHE_DIR"] = str(folder / "cache-before")
        prepare_lock(folder, index.url)
        yield index


PATH = "project/pyproject.toml"


def _unharmed(folder: Path) -> None:
    lock = folder / "project/pylock.toml"
    demand(lock.read_bytes() == (folder / "old.lock").read_bytes(), "the old lock was touched")
    left = sorted(path.name for path in (folder / "project").iterdir())
    demand(left == ["pylock.toml", "pyproject.toml"], f"something is left: {left}")


def _goes_on(folder: Path) -> None:
    done = envbuild(folder, "lock", PATH)
    demand(done.code == 0, f"the next run ended with {done.code}: {done.stderr[-500:]}")
    demand(
        {one.name for one in load_lock(folder / "project/pylock.toml").pip} == {"alpha", "beta", "gamma"}, "not locked"
    )


def _lock_fails(folder: Path, code: int, *words: str, said: str = "", **environment: str) -> None:
    done = envbuild(folder, "lock", "--json", *words, PATH, **environment)
    demand(done.code == code, f"exit code {done.code} instead of {code}: {done.stderr[-600:]}")
    demand(json.loads(done.stdout)["exit_code"] == code, "JSON says something else")
    demand(said in done.stderr, f"the message does not say {said!r}: {done.stderr[-600:]}")


def index_refuses(status: int) -> Fault:
    """The index answers `status` to everything."""

    def inject(folder: Path) -> None:
        with project(folder) as index:
            index.broken.update({f"/simple/{name}/": status for name in ("alpha", "beta", "gamma", "uv")})
            _lock_fails(folder, 8)
            _unharmed(folder)
            index.broken.clear()
            _goes_on(folder)

    return inject


def network_lost(folder: Path) -> None:
    """Nobody listens any more."""
    with project(folder) as index:
        address = index.url
    _lock_fails(folder, 8)
    _unharmed(folder)
    demand(address.rpartition(":")[2].partition("/")[0] in (folder / PATH).read_text(), "the definition was touched")


def offline(folder: Path) -> None:
    """`--offline` asks nobody, and says so."""
    with project(folder) as index:
        before = len(index.requests)
        _lock_fails(folder, 5, "--offline", said="without --offline")
        demand(len(index.requests) == before, f"{len(index.requests) - before} requests though offline")
        _unharmed(folder)
        _goes_on(folder)


def hash_mismatch(folder: Path) -> None:
    """The index serves other bytes than were locked: nothing is installed from them."""
    with project(folder) as index:
        api.lock(folder / PATH)
        index.releases[0] = index.releases.pop(1)
        index.releases.clear()
        for name in ("alpha", "beta", "gamma"):
            index.add(name, "1.0", files={f"{name}.py": "evil = 1\n"})
        lock = folder / "project/pylock.toml"
        words = "import sys; from pathlib import Path; from dataclasses import replace; from envbuild import api\n"
        words += "from envbuild.core.lock import LockedPython; from envbuild.lockfile import load_lock\n"
        words += "from envbuild.core.errors import IntegrityError\n"
        words += "python = LockedPython(version='.'.join(map(str, sys.version_info[:2])), provider='base')\n"
        words += f"try: api.install(replace(load_lock(Path({str(lock)!r})), python=python, tools=()), prefix=Path('prefix'))\n"
        words += "except IntegrityError as error: sys.exit(error.exit_code)\n"
        own = {**os.environ, "ENVBUILD_CACHE_DIR": str(folder / "fresh")}
        done = programs.run([sys.executable, "-c", words], cwd=folder, env=own, check=False, timeout=180)
        demand(done.code == 9, f"exit code {done.code} instead of 9: {done.stderr[-800:]}")
        demand(not list(folder.glob("prefix/lib/*/site-packages/*.py")), "something of it was installed")


# ── the disk ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of `size` bytes at `folder`; needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    programs.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)])
    try:
        yield folder
    finally:
        programs.run(["umount", "-l", str(folder)])


def may_mount() -> bool:
    """Tell whether this process may mount file systems."""
    return os.geteuid() == 0 and programs.find("mount") is not None and _mount_works()


def _mount_works() -> bool:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        done = programs.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder], check=False)
        if done.code == 0:
            programs.run(["umount", folder], check=False)
        return done.code == 0


def _fill(folder: Path) -> Path:
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    return filler


def full_disk_lock(folder: Path) -> None:
    """The disk of the project is full when the lock is written."""
    with mounted(folder / "disk", "256k") as disk, project(disk):
        cache = {"ENVBUILD_CACHE_DIR": str(folder / "cache")}
        filler = _fill(disk)
        _lock_fails(disk, 12, said="No space left", **cache)
        filler.unlink()
        _unharmed(disk)
        demand(envbuild(disk, "lock", PATH, **cache).code == 0, "the next run does not go on")


def full_disk_register(folder: Path) -> None:
    """The disk of the workspace is full while a model is kept."""
    with mounted(folder / "disk", "4m") as disk:
        prepare_register(disk, "")
        filler = _fill(disk)
        words = ("model", "register", "-n", "m", "-p", "model2", "--json", "-w", ".")
        done = envbuild(disk, *words, ENVBUILD_CACHE_DIR=str(folder / "cache"))
        demand(done.code in (10, 12), f"exit code {done.code}: {done.stderr[-600:]}")
        demand("No space left" in done.stderr or "full" in done.stderr, f"the message: {done.stderr[-600:]}")
        filler.unlink()
        check_register(disk)
        demand(
            envbuild(disk, *words, ENVBUILD_CACHE_DIR=str(folder / "cache")).code == 0, "the next run does not go on"
        )
        demand([one.version for one in list_models(Workspace(disk / ".envbuild"), "m")] == [1, 2], "not registered")


def file_too_large(folder: Path) -> None:
    """A limit on the size of files (RLIMIT_FSIZE), which needs no root, cuts the writing of a large file."""
    prepare_register(folder, "")
    (folder / "model2/large").write_bytes(os.urandom(3_000_000))
    program = "import resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
    program += "from envbuild.cli.main import run\nsys.exit(run(sys.argv[1:]))\n"
    argv = [sys.executable, "-c", program, "model", "register", "-n", "m", "-p", "model2", "-w", "."]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    demand(done.returncode in (10, 12), f"exit code {done.returncode}: {done.stderr[-600:]}")
    demand("File too large" in done.stderr and "Traceback" not in done.stderr, done.stderr[-600:])
    (folder / "model2/large").unlink()
    check_register(folder)


@contextlib.contextmanager
def _read_only(disk: Path) -> Iterator[None]:
    programs.run(["mount", "-o", "remount,ro", str(disk)])
    try:
        yield
    finally:
        programs.run(["mount", "-o", "remount,rw", str(disk)])


def read_only_lock(folder: Path) -> None:
    """The project's folder cannot be written."""
    with mounted(folder / "disk", "1m") as disk, project(disk):
        cache = {"ENVBUILD_CACHE_DIR": str(folder / "cache")}
        with _read_only(disk):
            _lock_fails(disk, 12, said="Read-only file system", **cache)
            _unharmed(disk)
            demand(envbuild(disk, "lock", "--check", PATH, **cache).code == 1, "--check needs to write")
        demand(envbuild(disk, "lock", PATH, **cache).code == 0, "the next run does not go on")


def read_only_register(folder: Path) -> None:
    """The workspace cannot be written."""
    with mounted(folder / "disk", "8m") as disk:
        prepare_register(disk, "")
        with _read_only(disk):
            words = ("model", "register", "-n", "m", "-p", "model2", "-w", ".")
            done = envbuild(disk, *words, ENVBUILD_CACHE_DIR=str(folder / "cache"))
            demand(done.code in (10, 12), f"exit code {done.code}: {done.stderr[-600:]}")
            demand("ead-only" in done.stderr or "readonly" in done.stderr, f"the message: {done.stderr[-600:]}")
        check_register(disk)
        demand(
            envbuild(disk, *words, ENVBUILD_CACHE_DIR=str(folder / "cache")).code == 0, "the next run does not go on"
        )


# ── two at once ───────────────────────────────────────────────────────────────────────────────────────────────────────


def two_locks(folder: Path) -> None:
    """Two processes lock one definition."""
    with project(folder):
        with ThreadPoolExecutor(2) as pool:
            codes = list(pool.map(lambda _: envbuild(folder, "lock", PATH).code, range(2)))
        demand(codes == [0, 0], f"exit codes {codes}")
        _goes_on(folder)
        left = sorted(path.name for path in (folder / "project").iterdir())
        demand(left == ["pylock.toml", "pyproject.toml"], f"something is left: {left}")


def two_registrations(folder: Path) -> None:
    """Four processes register two models under one name."""
    prepare_register(folder, "")
    words = ("model", "register", "-n", "m", "-w", ".", "-p")
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda at: envbuild(folder, *words, f"model{at % 2 + 1}").code, range(4)))
    demand(codes == [0] * 4, f"exit codes {codes}")
    versions = [one.version for one in list_models(Workspace(folder / ".envbuild"), "m")]
    demand(versions == list(range(1, len(versions) + 1)) and len(versions) >= 2, f"versions {versions}")


def two_downloads(folder: Path) -> None:
    """Two threads and two caches' users fetch one file: one download, both have it."""
    cache = DownloadCache(root=folder / "cache")
    with FaultyServer(content=CONTENT, faults=["slow", "*"]).running() as server:
        item = Download(url=server.url, sha256=SHA256, size=len(CONTENT))
        with ThreadPoolExecutor(4) as pool:
            paths = list(pool.map(lambda _: cache.fetch(item, _client()), range(4)))
        demand(len(set(paths)) == 1 and paths[0].read_bytes() == CONTENT, "not the same file")
        demand(server.asked == 1, f"{server.asked} downloads of one file")


PASSING = ("429", "503", "500", "truncated", "corrupted", "slow", "reset", "garbage", "stalled")
FAULTS: Mapping[str, Fault] = {
    **{f"{fault}, then well": passing(fault) for fault in PASSING},
    **{f"{fault}, always": lasting(fault, NetworkError) for fault in PASSING if fault not in ("corrupted", "slow")},
    "corrupted, always": lasting("corrupted", IntegrityError),
    "a damaged file in the cache": healed,
    "the index answers 503": index_refuses(503),
    "the index answers 429": index_refuses(429),
    "the network is lost": network_lost,
    "--offline": offline,
    "the hash of a package differs": hash_mismatch,
    "a limit on the size of files": file_too_large,
    "two processes lock": two_locks,
    "four processes register": two_registrations,
    "four downloads of one file": two_downloads,
}
DISK_FAULTS: Mapping[str, Fault] = {
    "the disk is full: lock": full_disk_lock,
    "the disk is full: register": full_disk_register,
    "a read-only folder: lock": read_only_lock,
    "a read-only folder: register": read_only_register,
}
"""These mount a small file system, which takes root."""

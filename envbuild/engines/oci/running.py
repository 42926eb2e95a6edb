"""Running a program of an assembled image on this machine, without a container engine: in a copy, without a network.

It has user, process and network namespaces of its own where the kernel gives them, else a changed root as an ordinary user, which
only root can do.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from envbuild import programs
from envbuild.core.errors import EngineError, FileError
from envbuild.core.plan import HOME, USER
from envbuild.engines.asking import Question
from envbuild.engines.oci.assemble import Assembled
from envbuild.engines.oci.store import Store
from envbuild.engines.oci.unpacking import unpack
from envbuild.files import cache_root

_TRIAL_SECONDS = 30


def ask_assembled(made: Assembled, store: Store, question: Question) -> Any:
    """Return what the image `made`, whose layers are in `store`, answers.

    Raises:
        EngineError: this machine does not run programs under another root, or nothing answers.
        NetworkError, IntegrityError: a layer of the base cannot be had.
        FileError: there is no room to unpack it.
    """
    place = cache_root()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="running-", dir=place, ignore_cleanup_errors=True) as temporary:
            root = Path(temporary, "root")
            root.mkdir()
            unpack(_blobs(made, store), root, made.base.name)
            return _ask(root, _variables(made), question)
    except OSError as error:
        raise FileError(f"{place} cannot be written: {error.strerror or error}") from error


def _blobs(made: Assembled, store: Store) -> Iterator[BinaryIO]:
    for layer in made.base.layers:
        yield made.source.blob(layer)
    for one in made.layers:
        yield store.open(one.descriptor)


def _variables(made: Assembled) -> dict[str, str]:
    told = json.loads(made.config_data)["config"].get("Env") or ()
    return dict(text.partition("=")[::2] for text in told)


def _ask(root: Path, variables: dict[str, str], question: Question) -> Any:
    for name in ("dev", "proc", "tmp", variables.get("HOME", HOME).strip("/")):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
    # a device takes root; a file takes what is written to it as well
    (root / "dev" / "null").touch(mode=0o666)
    (root / "dev" / "null").chmod(0o666)
    start = _start(root, question.command[0], variables)
    done = programs.run([*start, *question.command], env=variables, timeout=question.seconds, check=False)
    return question.answer(done.stdout or done.stderr)


def _start(root: Path, python: str, variables: dict[str, str]) -> list[str]:
    """Return what runs a program under `root`: the first way in which its interpreter starts."""
    chroot, unshare = programs.find("chroot"), programs.find("unshare")
    ways: list[list[str]] = []
    if chroot and unshare:
        apart = [unshare, "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child"]
        ways += [[*apart, f"--mount-proc={root}/proc", chroot, str(root)], [*apart, chroot, str(root)]]
    if chroot and os.geteuid() == 0:
        ways.append([chroot, f"--userspec={USER}", str(root)])
    for way in ways:
        trial = [*way, python, "-I", "-S", "-c", ""]
        if programs.run(trial, env=variables, timeout=_TRIAL_SECONDS, check=False).code == 0:
            return way
    raise EngineError("this machine lets nobody run a program under another root (user namespaces are off)")

"""conda packages into a prefix of this machine, by rattler in a process of its own."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from envbuild import files, programs
from envbuild.core.errors import EngineError, IntegrityError
from envbuild.core.lock import CondaPackage
from envbuild.core.progress import Progress

_WORKER = Path(__file__).with_name("local_conda_worker.py")


def install_conda(packages: Sequence[CondaPackage], prefix: Path, progress: Progress) -> None:
    """Download, verify and link `packages`, which are this machine's, into `prefix`. Link scripts are not run.

    What counts is the worker's result file: the engine's runtime can crash the interpreter while it shuts down.

    Raises:
        EngineError: it failed; with the engine's own words.
        IntegrityError: a package's hash is not the lock's.
    """
    with tempfile.TemporaryDirectory(prefix="envbuild-conda-") as temporary:
        task, result = Path(temporary) / "task.json", Path(temporary) / "result.json"
        wanted = {
            "packages": [asdict(one) for one in packages],
            "prefix": str(prefix),
            "cache": str(files.cache_root() / "conda-packages"),
        }
        task.write_text(json.dumps(wanted))
        with progress.step(f"installing {len(packages)} conda packages"):
            argv = [sys.executable, "-I", str(_WORKER), str(task), str(result)]
            done = programs.run(argv, env=dict(os.environ), check=False)
        try:
            error = json.loads(result.read_bytes())["error"]
        except (OSError, ValueError, KeyError):
            error = f"the installer ended with code {done.code}\n{done.stderr.strip()}"
    if error:
        kind = IntegrityError if "hash" in error.lower() or "sha256" in error.lower() else EngineError
        raise kind(f"the conda packages cannot be installed: {error}")

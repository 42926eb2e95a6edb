"""Runs a command on a cluster as a run, and sends what it made behind its output: a job server gives back nothing but the log.

`python sending.py outputs:logs COMMAND…`. Lines that begin with MARK are a ZIP archive in Base64, its SHA-256 first.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import signal
import subprocess  # noqa: TID251 - it runs on a cluster, where nothing of envbuild is
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Iterator, Sequence

MARK = "##envbuild-files:"
LIMIT = 256 << 20
"""Bytes that are sent at most, before compression; what does not fit is named in the log."""

_LINE = 3 * 1024


def run(command: Sequence[str], control: Path) -> int:
    """Run `command` with the modules beside this file first on its path, and return its exit code."""
    names = str(Path(__file__).resolve().parent / "names")
    path = os.pathsep.join(filter(None, [names, os.environ.get("PYTHONPATH")]))
    variables = {**os.environ, "AZUREML_RUN_CONTROL": str(control), "PYTHONPATH": path}
    argv = [sys.executable, *command[1:]] if command[0] == "python" else list(command)
    process = subprocess.Popen(argv, env=variables)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    code = process.wait()
    return code if code >= 0 else 128 - code


def send(watched: Sequence[str], control: Path) -> None:
    """Print what was made: the files of the folders `watched`, and those of the run itself."""
    content, left = io.BytesIO(), LIMIT
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(_made(watched, control), key=lambda one: (one[1].stat().st_size, one[0])):
            left -= path.stat().st_size
            if left < 0:
                sys.stdout.write(f"{name} stays on the cluster, in {path.resolve()}: a log carries {LIMIT >> 20} MiB\n")
            else:
                archive.write(str(path), name)
    data = content.getvalue()
    sys.stdout.write(f"\n{MARK}{hashlib.sha256(data).hexdigest()}\n")
    for start in range(0, len(data), _LINE):
        sys.stdout.write(f"{MARK}{base64.b64encode(data[start : start + _LINE]).decode()}\n")
    sys.stdout.flush()


def _made(watched: Sequence[str], control: Path) -> Iterator[tuple[str, Path]]:
    for top, folder in [*((one, Path(one)) for one in watched), ("control", control)]:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield f"{top}/{path.relative_to(folder).as_posix()}", path


def main(arguments: Sequence[str]) -> int:
    """Run, send, and return the command's exit code."""
    with tempfile.TemporaryDirectory(prefix="envbuild-run-") as control:
        code = run(arguments[1:], Path(control))
        send([one for one in arguments[0].split(":") if one], Path(control))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

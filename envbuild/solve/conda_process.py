"""The process of the conda solver: started early, it imports its engine while the definition is still being read.

Imports as little as it can, so that a command line can start it first of all.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from envbuild.core.errors import SolveError
from envbuild.programs import converse

_START = "import sys; folders = sys.argv[1:]; sys.path += folders; import conda_worker; conda_worker.main(folders[1])"


class SolverProcess:
    """A conversation in lines of JSON with `conda_worker.py`. A context manager."""

    def __init__(self) -> None:
        """Start the process, which then waits for its first line.

        Raises:
            SolveError: the engine is not installed.
        """
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        argv = [sys.executable, "-I", "-S", "-c", _START, str(Path(__file__).parent), _engine_folder()]
        self._process = converse(argv, log=self._log, env=_environment())

    def __enter__(self) -> SolverProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def close(self) -> None:
        """End the process. It has nothing to lose, so nobody waits for it to give its memory back."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def say(self, value: object) -> None:
        """Send one line.

        Raises:
            SolveError: the process has ended; what it printed is shown.
        """
        assert self._process.stdin is not None  # noqa: S101
        try:
            self._process.stdin.write(json.dumps(value).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._died() from error

    def hear(self) -> dict[str, Any]:
        """Wait for one line and return it.

        Raises:
            SolveError: the process has ended; what it printed is shown.
        """
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._died()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _died(self) -> SolveError:
        self._process.wait()
        self._log.seek(0)
        tail = self._log.read().decode(errors="replace").strip().splitlines()[-8:]
        return SolveError("\n  ".join(["the conda solver ended without an answer", *tail]))


def starts_early_for(definition: Path) -> bool:
    """Guess from the file alone whether `definition` will need a conda solve; a wrong guess costs a little time only."""
    if definition.is_dir() or definition.suffix in (".yml", ".yaml"):
        return True
    if definition.suffix != ".toml":
        return False
    try:
        return b"channels" in definition.read_bytes()
    except OSError:
        return False


def _engine_folder() -> str:
    import importlib.util

    found = importlib.util.find_spec("rattler")
    if found is None or found.origin is None:
        raise SolveError("the conda solver is not installed", hint="pip install py-rattler")
    return str(Path(found.origin).parent.parent)


def _environment() -> dict[str, str]:
    """Return this process's environment; a file of authorities that is named for other tools is the engine's as well."""
    environ = dict(os.environ)
    named = next(filter(None, map(environ.get, ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))), None)
    return {**environ, "SSL_CERT_FILE": named} if named else environ

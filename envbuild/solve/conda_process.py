"""The process of the conda solver: started before all else, it imports its engine while a command line is still being read.

Half of a small solve is start-up, so this module imports next to nothing and starts the process by `posix_spawn`, which needs
nothing either; where there is none, as any other program is started.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import IO, Any

    from envbuild.core.errors import SolveError

_START = "import sys; folders = sys.argv[1:]; sys.path += folders; import conda_worker; conda_worker.main(folders[1])"
_VALUED = ("-o", "--output", "-e", "--environment", "--platform", "--exclude-newer", "--mirror", "--allow-sdist")
_AUTHORITIES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
)  # as `net.clean`, not imported here
_DEFINITIONS = ("environment.yml", "environment.yaml", "pyproject.toml")
_KILL = 9 if hasattr(os, "posix_spawn") else 15
_unreaped: set[int] = set()


class SolverProcess:
    """A conversation in lines of JSON with `conda_worker.py`. A context manager."""

    def __init__(self) -> None:
        """Start the process, which then waits for its first line.

        Raises:
            SolveError: the engine is not installed.
        """
        argv = [sys.executable, "-I", "-S", "-c", _START, os.path.dirname(__file__), _engine_folder()]
        self._log = _log()
        self.pid, self._input, self._output = _spawn(argv, _environment(), self._log.fileno())

    def __enter__(self) -> SolverProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process. It has nothing to lose, so nobody waits for it to give its memory back."""
        if self._log.closed:
            return
        _end(self.pid)
        self._log.close()
        self._output.close()
        try:
            self._input.close()
        except BrokenPipeError:
            return  # what was written last did not reach it, and need not

    def say(self, value: object) -> None:
        """Send one line.

        Raises:
            SolveError: the process has ended; what it printed is shown.
        """
        import json

        try:
            self._input.write(json.dumps(value).encode() + b"\n")
            self._input.flush()
        except OSError as error:
            raise self._died() from error

    def hear(self) -> dict[str, Any]:
        """Wait for one line and return it.

        Raises:
            SolveError: the process has ended; what it printed is shown.
        """
        import json

        line = self._output.readline()
        if not line.endswith(b"\n"):
            raise self._died()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _died(self) -> SolveError:
        from envbuild.core.errors import SolveError

        self._output.read()  # its end is the process's end
        self._log.seek(0)
        tail = self._log.read().decode(errors="replace").strip().splitlines()[-8:]
        return SolveError("\n  ".join(["the conda solver ended without an answer", *tail]))


def start_for(argv: Sequence[str]) -> SolverProcess | None:
    """Start the solver if the command line `argv` looks as if it will lock with conda for the first time.

    A guess from the words alone: a wrong one costs a little time, nothing else.
    """
    if argv[:1] != ["lock"] or {"--check", "--help", "-h", "conda-lock"} & set(argv) or not _installed():
        return None
    values = {argv[at + 1] for at, word in enumerate(argv[:-1]) if word in _VALUED}
    named = [word for word in argv[1:] if not word.startswith("-") and word not in values and os.path.exists(word)]
    wanted = named or [name for name in _DEFINITIONS if os.path.exists(name)][:1]
    first = any(starts_early_for(name) and not _has_lock(name) for name in wanted)
    return SolverProcess() if first else None


def starts_early_for(definition: str) -> bool:
    """Guess from the file alone whether `definition` will need a conda solve; a wrong guess costs a little time only."""
    if os.path.isdir(definition) or definition.endswith((".yml", ".yaml")):
        return True
    if not definition.endswith(".toml"):
        return False
    try:
        with open(definition, "rb") as file:
            return b"channels" in file.read()
    except OSError:
        return False


def _has_lock(definition: str) -> bool:
    """Tell whether a lock lies beside `definition`: it may still answer, and then nothing is solved."""
    folder = definition if os.path.isdir(definition) else os.path.dirname(definition)
    return any(name.startswith("conda-lock") for name in os.listdir(folder or "."))


def _installed() -> bool:
    return any(os.path.isdir(os.path.join(folder, "rattler")) for folder in sys.path)


def _engine_folder() -> str:
    for folder in sys.path:
        if os.path.isdir(os.path.join(folder, "rattler")):
            return folder
    from envbuild.core.errors import SolveError

    raise SolveError("the conda solver is not installed", hint="pip install py-rattler")


def _environment() -> dict[str, str]:
    """Return this process's environment; a file of authorities that is named for other tools is the engine's as well."""
    environ = dict(os.environ)
    named = next(filter(None, map(environ.get, _AUTHORITIES)), None)
    return {**environ, "SSL_CERT_FILE": named} if named else environ


def _log() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("envbuild-solver"), "w+b")
    import tempfile

    return tempfile.TemporaryFile()


def _spawn(argv: list[str], environ: dict[str, str], log: int) -> tuple[int, IO[bytes], IO[bytes]]:
    """Start `argv` with pipes to its standard input and output; return its id and our ends of the pipes."""
    if not hasattr(os, "posix_spawn"):
        from envbuild.programs import converse

        return converse(argv, log=log, env=environ)
    for pid in list(_unreaped):
        _reap(pid)
    its_input, our_output = os.pipe()
    our_input, its_output = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, one, number) for number, one in enumerate((its_input, its_output, log))]
    pid = os.posix_spawn(argv[0], argv, environ, file_actions=actions)
    os.close(its_input)
    os.close(its_output)
    return pid, os.fdopen(our_output, "wb"), os.fdopen(our_input, "rb")


def _end(pid: int) -> None:
    try:
        os.kill(pid, _KILL)
    except OSError:
        return
    _reap(pid)


def _reap(pid: int) -> None:
    """Take the exit code of `pid` if it has ended; else remember it, so that long-lived callers collect no zombies."""
    _unreaped.add(pid)
    try:
        if os.waitpid(pid, getattr(os, "WNOHANG", 0))[0]:
            _unreaped.discard(pid)
    except OSError:
        _unreaped.discard(pid)

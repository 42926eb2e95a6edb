"""The one place that runs other programs: an argv, never a shell; the error carries everything."""

from __future__ import annotations

import contextlib
import shutil
import subprocess  # noqa: TID251
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from envbuild.core.errors import EngineError, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What a program left: its exit code and what it printed."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


class ProgramError(EngineError):
    """A program could not be started or ended with a code other than 0."""

    def __init__(self, completed: Completed) -> None:
        """Word the failure with the last lines that the program printed."""
        self.completed = completed
        tail = "\n".join((completed.stderr or completed.stdout).strip().splitlines()[-20:])
        message = f"`{' '.join(completed.argv[:4])}{' …' if len(completed.argv) > 4 else ''}` ended with code {completed.code}"
        super().__init__(Problem(message=f"{message}\n{tail}" if tail else message))

    def __reduce__(self) -> tuple[type[ProgramError], tuple[Completed]]:  # type: ignore[override]
        return type(self), (self.completed,)


def find(name: str) -> str | None:
    """Return the path of program `name` on PATH, or None."""
    return shutil.which(name)


def uv_argv(*arguments: str) -> list[str]:
    """Return the argv of uv with `arguments`: none of the machine's configuration, no Python fetched from anywhere."""
    import uv

    return [uv.find_uv_bin(), "--no-config", "--no-python-downloads", "--color", "never", *arguments]


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    check: bool = True,
    timeout: float | None = None,
) -> Completed:
    """Run `argv` to its end and return what it printed; `env` replaces the environment.

    Raises:
        ProgramError: it could not be started, did not end within `timeout` seconds, or (with `check`) its code is not 0.
    """
    try:
        done = subprocess.run(
            list(argv),
            cwd=cwd,
            env=env,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
            close_fds=False,  # only what was made inheritable is handed on: the locks of `files.exclusive`
        )
    except OSError as error:
        raise ProgramError(Completed(argv=tuple(argv), code=127, stdout="", stderr=str(error))) from error
    except subprocess.TimeoutExpired as error:
        raise ProgramError(
            Completed(argv=tuple(argv), code=124, stdout="", stderr=f"no end after {timeout} s")
        ) from error
    completed = Completed(argv=tuple(argv), code=done.returncode, stdout=done.stdout, stderr=done.stderr)
    if check and done.returncode != 0:
        raise ProgramError(completed)
    return completed


def stream(
    argv: Sequence[str],
    on_line: Callable[[str], None],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run `argv`, give each line of its merged output to `on_line` as it comes, and return all of it.

    Raises:
        ProgramError: it could not be started, or its code is not 0.
    """
    lines: list[str] = []
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise ProgramError(Completed(argv=tuple(argv), code=127, stdout="", stderr=str(error))) from error
    with process:
        try:
            for line in process.stdout or ():
                lines.append(line)
                on_line(line.rstrip("\n"))
        except BaseException:
            process.terminate()
            raise
    completed = Completed(argv=tuple(argv), code=process.returncode, stdout="".join(lines), stderr="")
    if process.returncode != 0:
        raise ProgramError(completed)
    return completed


class Answering:
    """A program that answers each line with a line, until it is closed; it inherits nothing but its streams."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str]) -> None:
        """Start `argv` with the environment `env`.

        Raises:
            ProgramError: it could not be started.
        """
        self._argv = tuple(argv)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the program
        try:
            self._process = subprocess.Popen(
                self._argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
            )
        except OSError as error:
            self._errors.close()
            raise ProgramError(Completed(argv=self._argv, code=127, stdout="", stderr=str(error))) from error

    def ask(self, line: str) -> str:
        """Return the answer to `line`, without its end.

        Raises:
            ProgramError: it ended.
        """
        asking, answering = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        with contextlib.suppress(BrokenPipeError):
            asking.write(f"{line}\n".encode())
            asking.flush()
        answer = answering.readline().decode("utf-8", "replace")
        if not answer.endswith("\n"):
            raise self.failure(self._process.wait())
        return answer.rstrip("\n")

    def failure(self, code: int) -> ProgramError:
        """Return the error that says what it wrote to stderr, as of a program that ended with `code`."""
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace")
        return ProgramError(Completed(argv=self._argv, code=code, stdout="", stderr=said))

    def close(self) -> None:
        """Ask no more, and wait for its end."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        self._errors.close()


def start(
    argv: Sequence[str], *, log: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own, its output appended to `log`; the caller ends it by its pid.

    Raises:
        ProgramError: it could not be started.
    """
    try:
        with log.open("ab") as output:
            return subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise ProgramError(Completed(argv=tuple(argv), code=127, stdout="", stderr=str(error))) from error


def converse(argv: Sequence[str], *, log: int, env: Mapping[str, str]) -> tuple[int, IO[bytes], IO[bytes]]:
    """Start `argv` with its errors going to the file descriptor `log`; return its id and pipes to its input and output.

    Raises:
        ProgramError: it could not be started.
    """
    try:
        process = subprocess.Popen(list(argv), env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    except OSError as error:
        raise ProgramError(Completed(argv=tuple(argv), code=127, stdout="", stderr=str(error))) from error
    if process.stdin is None or process.stdout is None:
        raise ProgramError(Completed(argv=tuple(argv), code=127, stdout="", stderr="no pipes"))
    return process.pid, process.stdin, process.stdout

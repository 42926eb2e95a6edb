"""What can go wrong: before the server serves, and while it answers."""

from __future__ import annotations

from typing import Sequence


class SettingsError(Exception):
    """The command line, the environment or config.json holds values that cannot be used. Exit code 2."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Take every problem, each a sentence that names the option or variable."""
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


class StartupError(Exception):
    """The scoring script cannot be served. Exit code 3.

    Attributes:
        report: the script's own traceback, or "" where the message says everything.
    """

    def __init__(self, message: str, report: str = "") -> None:
        """Take the sentence for the user and the traceback to show above it."""
        self.report = report
        super().__init__(message)


class RequestError(Exception):
    """A request that is answered with an error. `message` goes to the client.

    Attributes:
        status: the HTTP status.
        headers: headers of the answer beyond those that every answer has.
        run_failed: whether the script's run() is to blame.
    """

    def __init__(
        self, status: int, message: str, headers: Sequence[tuple[str, str]] = (), *, run_failed: bool = False
    ) -> None:
        """Refuse with `status` and `message`."""
        self.status = status
        self.message = message
        self.headers = tuple(headers)
        self.run_failed = run_failed
        super().__init__(message)

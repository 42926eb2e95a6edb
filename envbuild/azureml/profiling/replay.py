"""Sending recorded requests to a service, and taking the time of each answer."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from envbuild.core.errors import DefinitionError, Problem

REQUEST_LIMIT = 60.0
"""Seconds after which a request counts as failed."""


@dataclass(slots=True, kw_only=True)
class Replayed:
    """`latencies` in seconds, of the answers with status 200; `failures` are the others, in words."""

    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def queries(self) -> int:
        """How many requests were sent."""
        return len(self.latencies) + len(self.failures)


def read_requests(path: Path) -> list[bytes]:
    """Return the bodies in the file `path`: the whole file where it is one JSON document, else each line that is not blank.

    Raises:
        DefinitionError: it cannot be read, or holds none.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DefinitionError(Problem(message=f"cannot be read: {error.strerror or error}", file=str(path))) from error
    try:
        json.loads(content)
    except ValueError:
        found = [line for line in content.splitlines() if line.strip()]
    else:
        found = [content]
    if not found:
        raise DefinitionError(
            Problem(message="holds no request", file=str(path), hint="one request's body on each line")
        )
    return found


def replay(port: int, bodies: Sequence[bytes], *, count: int, concurrency: int = 1, limit: float = 60.0) -> Replayed:
    """Send `count` requests, the bodies in turn, over `concurrency` connections to 127.0.0.1:`port`; none begins after `limit` s."""
    result, lock = Replayed(), threading.Lock()
    order = iter(range(count))
    begin = time.monotonic()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_LIMIT)
        while True:
            with lock:
                number = next(order, None)
            if number is None or (number and time.monotonic() - begin > limit):
                break
            taken, failure = _send(connection, bodies[number % len(bodies)])
            with lock:
                if failure:
                    result.failures.append(failure)
                else:
                    result.latencies.append(taken)
        connection.close()

    workers = [threading.Thread(target=work, name=f"replay-{one}") for one in range(concurrency)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    result.seconds = time.monotonic() - begin
    return result


def _send(connection: http.client.HTTPConnection, body: bytes) -> tuple[float, str]:
    begin = time.perf_counter()
    try:
        connection.request("POST", "/score", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return 0.0, f"no answer: {str(error) or type(error).__name__}"
    taken = time.perf_counter() - begin
    return taken, "" if answer.status == 200 else f"status {answer.status}: {content[:200].decode(errors='replace')}"

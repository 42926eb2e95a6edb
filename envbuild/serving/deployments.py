"""The deployments behind a router: where they are, as the file of routes says now, and which of them answer."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from .logs import LOGGER
from .routes import Route, RoutesError, Table, read_routes
from .upstream import BrokenError, LateError, UnreachableError, Upstream

INTERVAL_S = 2.0
PROBE_LIMIT_S = 5.0
MISSES = 2
"""Probes in a row that must fail; a connection that is refused counts at once."""


class Deployments:
    """The table of routes, connections to each deployment, and who is down. Threads may share it."""

    def __init__(self, path: Path, answer_limit_s: float) -> None:
        """Read the file; `answer_limit_s` is the longest wait for a deployment.

        Raises:
            RoutesError: it is not understood.
            OSError: it cannot be read.
        """
        self._path, self._limit = path, answer_limit_s
        self._stamp = _stamp(path)
        self.table: Table = read_routes(path)
        self._upstreams: dict[tuple[str, int], Upstream] = {}
        self._misses: dict[str, int] = {}

    def upstream(self, route: Route) -> Upstream:
        """Return the connections to a deployment."""
        place = (route.host, route.port)
        found = self._upstreams.get(place)
        return found or self._upstreams.setdefault(place, Upstream(*place, self._limit))

    def is_up(self, route: Route) -> bool:
        """Whether it answered when it was last asked."""
        return self._misses.get(route.name, 0) < MISSES

    @property
    def is_healthy(self) -> bool:
        """Whether anybody who gets traffic is up."""
        return any(route.traffic > 0 and self.is_up(route) for route in self.table.routes.values())

    def candidates(self, name: str = "") -> list[Route]:
        """Return whom to try, in order: the one that is named, or who is drawn and then the others; who is down comes last."""
        table = self.table
        if name:
            route = table.routes.get(name)
            return [] if route is None else [route]
        drawn = table.draw()
        if drawn is None:
            return []
        if not self._misses:
            return [drawn]
        return sorted([drawn, *table.others(drawn)], key=lambda route: not self.is_up(route))

    def instead(self, of: Route) -> list[Route]:
        """Return who can answer what was drawn for `of`, which turned out to be down."""
        return [route for route in self.table.others(of) if self.is_up(route)]

    def missed(self, route: Route, why: str, *, count: int = 1) -> None:
        """Note that it did not answer."""
        before = self._misses.get(route.name, 0)
        self._misses[route.name] = before + count
        if before < MISSES <= before + count:
            LOGGER.warning("deployment %s is down: %s", route.name, why)

    def answered(self, route: Route) -> None:
        """Note that it answered."""
        if self._misses.pop(route.name, 0) >= MISSES:
            LOGGER.warning("deployment %s is up again", route.name)

    def start_watching(self) -> None:
        """Probe everybody every other second, and read the file again when it changes, until the process ends."""
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def _watch(self) -> None:
        while True:
            for _ in range(8):
                time.sleep(INTERVAL_S / 8)
                self.refresh()
            for route in list(self.table.routes.values()):
                # one that hangs must not keep the others waiting
                threading.Thread(target=self.probe, args=(route,), name=f"probe {route.name}", daemon=True).start()

    def refresh(self) -> None:
        """Read the file again if it changed; one that cannot be used is told, and what held before holds on."""
        stamp = _stamp(self._path)
        if stamp is None or stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.table = read_routes(self._path)
        except (RoutesError, OSError) as error:
            LOGGER.error("the routes stay as they were: %s", error)
            return
        routes = self.table.routes
        places = {(route.host, route.port) for route in routes.values()}
        for place in [one for one in self._upstreams if one not in places]:
            self._upstreams.pop(place).close()
        for name in [one for one in self._misses if one not in routes]:
            self._misses.pop(name, None)
        LOGGER.info("routes: %s", ", ".join(f"{route.name} {route.traffic:g} %" for route in routes.values()))

    def probe(self, route: Route) -> None:
        """Ask a deployment for its health; any answer below 500 is a sign of life."""
        port, path = route.health_port or route.port, route.health_path
        place = f"{route.host}:{port}"
        try:
            connection = Upstream(route.host, port, PROBE_LIMIT_S).connect()
            try:
                connection.send(f"GET {path} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n".encode())
                status = connection.head("GET").status
            finally:
                connection.close()
        except UnreachableError as error:
            self.missed(route, str(error), count=MISSES)
        except LateError:
            self.missed(route, f"GET {path} is not answered within {PROBE_LIMIT_S:g} s")
        except BrokenError as error:
            self.missed(route, f"GET {path}: {error}")
        else:
            if status < 500:
                self.answered(route)
            else:
                self.missed(route, f"GET {path} is answered with {status}")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino

"""Which deployment answers: the file of routes, and the split of requests by weight. Pure, but for reading the file."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any, Iterable, Mapping, NamedTuple
from urllib.parse import urlsplit

_PATH = re.compile(r"/[!-~]*")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_KEYS = {"url", "traffic", "mirror", "scoring", "health"}
SCORE = "/score"
# A deck holds one card for each so many parts of the traffic: percent, then tenths and hundredths where they are needed.
_DECK_SIZES = (100, 1000, 10_000)


class RoutesError(ValueError):
    """The file of routes cannot be used; the message names the key."""


class Route(NamedTuple):
    """One deployment: where it answers, its percent of the requests, and the percent of which it gets a copy.

    A server that is not ours has paths of its own: `scoring` is asked in the place of /score, `health_path` in that of /, on
    `health_port` where that is another one (0: the same).
    """

    name: str
    host: str
    port: int
    traffic: float
    mirror: float = 0.0
    scoring: str = SCORE
    health_path: str = "/"
    health_port: int = 0


class Table:
    """The routes, and a shuffled deck of cards that says who is next.

    A deck holds each name as often as its percent says, so every hundred requests are split exactly, in an order that nobody
    can foresee or fall in step with.
    """

    def __init__(self, routes: Iterable[Route], shuffle: random.Random | None = None) -> None:
        """Take the routes.

        Raises:
            RoutesError: the traffic does not add up to 100, or a percent is none.
        """
        self.routes = {route.name: route for route in routes}
        self._random = shuffle or random.Random()  # noqa: S311 - a split is no secret
        self._deck: list[str] = []
        self._cards = _cards({route.name: route.traffic for route in self.routes.values()})
        self._mirrors = [route for route in self.routes.values() if route.mirror]

    def draw(self) -> Route | None:
        """Return the deployment whose turn it is, or None where nobody gets traffic."""
        if not self._deck:
            if not self._cards:
                return None
            self._deck = self._cards.copy()
            self._random.shuffle(self._deck)
        return self.routes[self._deck.pop()]

    def others(self, than: Route) -> list[Route]:
        """Return who else gets traffic, in a random order that prefers the heavy: for a request whose own choice is down."""
        rest = [route for route in self.routes.values() if route.traffic > 0 and route.name != than.name]
        return sorted(rest, key=lambda route: self._random.random() ** (1 / route.traffic), reverse=True)

    def copies(self) -> list[Route]:
        """Return who gets a copy of this request."""
        return [route for route in self._mirrors if self._random.random() * 100 < route.mirror]


def _cards(traffic: Mapping[str, float]) -> list[str]:
    total = sum(traffic.values())
    if any(percent < 0 for percent in traffic.values()) or not (total == 0 or abs(total - 100) < 1e-6):
        raise RoutesError(f"traffic: {_sum(traffic)} is {total:g}; percents add up to 100, or are all 0")
    for size in _DECK_SIZES:
        counts = {name: percent * size / 100 for name, percent in traffic.items()}
        if all(abs(count - round(count)) < 1e-6 for count in counts.values()):
            return [name for name, count in counts.items() for _ in range(round(count))]
    raise RoutesError("traffic: percents have two decimals at most")


def _sum(traffic: Mapping[str, float]) -> str:
    return " + ".join(f"{name} {percent:g}" for name, percent in traffic.items())


def read_routes(path: Path) -> Table:
    """Return the table that the JSON file says: `{"deployments": {NAME: {"url", "traffic", "mirror", "scoring", "health"}}}`.

    Raises:
        RoutesError: it is not understood; the first problem is named.
        OSError: it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RoutesError(f"{path}: not JSON: {error}") from None
    return Table(_routes(content))


def _routes(content: Any) -> list[Route]:
    deployments = content.get("deployments") if isinstance(content, dict) else None
    if not isinstance(deployments, dict):
        raise RoutesError("deployments: an object of names is needed")
    found = [_route(name, value) for name, value in deployments.items()]
    if sum(route.mirror > 0 for route in found) > 1:
        raise RoutesError("mirror: one deployment at most gets copies")
    return found


def _route(name: str, value: Any) -> Route:
    if not NAME.fullmatch(name):
        raise RoutesError(f"deployments: {name!r} cannot name one")
    if not isinstance(value, dict) or set(value) - _KEYS:
        raise RoutesError(f"deployments.{name}: an object of {', '.join(sorted(_KEYS))} is needed")
    host, port, path = _place(name, value, "url", "http://HOST:PORT")
    if path.strip("/"):
        raise RoutesError(f"deployments.{name}.url: http://HOST:PORT is needed, found {value.get('url')!r}")
    scoring = value.get("scoring", SCORE)
    if not isinstance(scoring, str) or not _PATH.fullmatch(scoring):
        raise RoutesError(f"deployments.{name}.scoring: a path that begins with / is needed, found {scoring!r}")
    health_port, health = 0, "/"
    if "health" in value:
        where, health_port, health = _place(name, value, "health", "http://HOST:PORT/PATH")
        if where != host or not _PATH.fullmatch(health):
            raise RoutesError(
                f"deployments.{name}.health: http://{host}:PORT/PATH is needed, found {value['health']!r}"
            )
    traffic, mirror = value.get("traffic", 0), value.get("mirror", 0)
    for key, percent in (("traffic", traffic), ("mirror", mirror)):
        if isinstance(percent, bool) or not isinstance(percent, (int, float)) or not 0 <= percent <= 100:
            raise RoutesError(f"deployments.{name}.{key}: a percent from 0 to 100 is needed, found {percent!r}")
    return Route(name, host, port, float(traffic), float(mirror), scoring, health, health_port)


def _place(name: str, value: Mapping[str, Any], key: str, form: str) -> tuple[str, int, str]:
    url = urlsplit(str(value.get(key, "")))
    try:
        port = url.port or 80
    except ValueError:
        raise RoutesError(f"deployments.{name}.{key}: the port is none") from None
    if url.scheme != "http" or not url.hostname or url.query:
        raise RoutesError(f"deployments.{name}.{key}: {form} is needed, found {value.get(key)!r}")
    return url.hostname, port, url.path

"""`${NAME}` in URLs: filled from the environment only for the host that a definition, or the user, sends it to.

A lock may come from somebody else. Its URLs get a variable's value where the definition's own URLs name the variable for the same scheme
and host. `ENVBUILD_URL_VARIABLES` (`NAME` or `NAME@host[:port]`, separated by commas or spaces), where it is set, decides alone,
for definitions too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from envbuild.core.definition import Definition
from envbuild.core.errors import LockError
from envbuild.net.credentials import mask_url, strip_credentials

ALLOWED = "ENVBUILD_URL_VARIABLES"
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
Place = tuple[str, str]
"""Scheme and host with port, as they are written: either may be a variable itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlVariables:
    """Which variables go where (`known`), and with which user and password, as written, a place is asked (`logins`)."""

    known: frozenset[tuple[str, Place]] = frozenset()
    logins: Mapping[Place, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    @classmethod
    def of(cls, definition: Definition | None, environ: Mapping[str, str] = os.environ) -> UrlVariables:
        """Return what the URLs of `definition` send where."""
        known, logins = set[tuple[str, Place]](), dict[Place, str]()
        for url in _urls(definition) if definition else ():
            place = place_of(url)
            known |= {(name, place) for name in VARIABLE.findall(url)}
            userinfo = urlsplit(url).netloc.rpartition("@")[0]
            if VARIABLE.search(userinfo):
                logins.setdefault(place, userinfo)
        return cls(known=frozenset(known), logins=logins, environ=environ)

    def fill(self, url: str) -> str:
        """Return `url` of a lock with its variables filled, and with the user and password that the definition has for its host.

        Raises:
            LockError: a variable is not for this host, or is not set.
        """
        place = place_of(url)
        login = self.logins.get(place, "")
        if login and all(self._may(name, place) and self.environ.get(name) for name in VARIABLE.findall(login)):
            parts = urlsplit(strip_credentials(url)[0])
            url = urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))
        return VARIABLE.sub(lambda found: self._value(found[1], place, url), url)

    def secrets(self) -> Iterator[str]:
        """Yield every value that `fill` may put into a URL: they must not be shown."""
        names = {name for name, _ in self.known} | {name for name, _ in allowed(self.environ) or ()}
        yield from (self.environ[name] for name in sorted(names) if self.environ.get(name))

    def _may(self, name: str, place: Place) -> bool:
        decided = is_allowed(name, place, self.environ)
        return (name, place) in self.known if decided is None else decided

    def _value(self, name: str, place: Place, url: str) -> str:
        shown = mask_url(url)
        if not self._may(name, place):
            raise LockError(
                f"the lock's URL {shown} names the environment variable {name}, which the definition does not send to that host",
                hint=f"is the lock your own? then allow it: {ALLOWED}={name}@{place[1]}",
            )
        if name not in self.environ:
            raise LockError(
                f"the lock's URL {shown} needs the environment variable {name}, which is not set", hint=f"set {name}"
            )
        return self.environ[name]


def place_of(url: str) -> Place:
    """Return scheme and host (with port) of `url`, as written; both are empty where it is no URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ("", "")
    return (parts.scheme, parts.netloc.rpartition("@")[2])


def allowed(environ: Mapping[str, str]) -> frozenset[tuple[str, str]] | None:
    """Return the pairs of name and host that `ENVBUILD_URL_VARIABLES` names (an empty host means every one); None where it is not set."""
    said = environ.get(ALLOWED)
    if said is None:
        return None
    pairs = (one.partition("@") for one in re.split(r"[,\s]+", said) if one)
    return frozenset((name, host) for name, _, host in pairs)


def is_allowed(name: str, place: Place, environ: Mapping[str, str]) -> bool | None:
    """Tell whether `ENVBUILD_URL_VARIABLES` lets `name` go to `place`; None where it says nothing."""
    pairs = allowed(environ)
    return None if pairs is None else bool(pairs & {(name, ""), (name, place[1])})


def _urls(definition: Definition) -> Iterator[str]:
    index = definition.index
    pins = (one.url for one in index.pins)
    yield from (one for one in (index.index_url, *index.extra_index_urls, *pins, *index.find_links) if "://" in one)
    requirements: Iterable[str] = (one.target for one in (*definition.pip, *definition.constraints))
    yield from (one.removeprefix("git+") for one in requirements if "://" in one)

"""Where pip's side really looks: the definition's index options with credentials and variables filled in.

Nothing of the machine's own pip or uv configuration takes part, so that the same definition has the same answer on any machine.
The one exception is asked for: `ENVBUILD_INDEX_URL` stands in for the default index (a mirror, where the public one is out of reach).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from envbuild.core.definition import IndexOptions, IndexPin
from envbuild.core.errors import SolveError
from envbuild.net.credentials import Credential, CredentialFinder, mask, strip_credentials
from envbuild.net.url_variables import ALLOWED, VARIABLE, is_allowed, place_of

_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
_LOCAL = re.compile(r"(?![A-Za-z][A-Za-z0-9+.-]*://)")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexAccess:
    """Index URLs ready for use, so full of secrets: they go into a program's environment, never into a message or a lock.

    `default` is empty where the resolver's own default is meant. `extra` come before it, the first that has a name wins.
    `pins` are the indexes that single names come from, and no other name.
    `secrets` are texts that must never be shown; `variables` maps a value that stands in a URL's path to its `${NAME}`.
    """

    default: str
    extra: tuple[str, ...]
    pins: tuple[IndexPin, ...]
    find_links: tuple[str, ...]
    no_index: bool
    trusted_hosts: tuple[str, ...]
    secrets: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]

    @property
    def indexes(self) -> tuple[str, ...]:
        """The indexes in the order in which they are asked."""
        return () if self.no_index else (*self.extra, self.default or default_index())

    def public(self, url: str) -> str:
        """Return `url` as a lock may hold it: no userinfo, `${NAME}` again where a variable stood, empty where it is local."""
        if url.startswith("file:"):
            return ""
        bare, _ = strip_credentials(url)
        for value, name in self.variables:
            bare = bare.replace(value, name)
        return bare

    def safe(self, text: str) -> str:
        """Return `text` with every secret masked."""
        hidden = _USERINFO.sub("", text)
        # of a secret as short as a syllable more would be lost than hidden; as userinfo it is gone already
        return mask(hidden, (one for one in (*self.secrets, *dict(self.variables)) if len(one) > 3))


def index_access(options: IndexOptions, folder: Path, environ: Mapping[str, str], *texts: str) -> IndexAccess:
    """Return what `options` mean with the variables of `environ`; relative paths start at `folder`.

    `texts` are other places (requirements with URLs) whose `${NAME}` variables must not be shown either.

    Raises:
        SolveError: a variable is not set.
    """
    urls = [options.index_url or environ.get("ENVBUILD_INDEX_URL", ""), *options.extra_index_urls]
    finder = CredentialFinder(environ=environ, home=Path(environ.get("HOME") or Path.home()))
    full = [_with_credentials(expand(url, environ), finder) for url in urls]
    pins = [replace(one, url=_with_credentials(expand(one.url, environ), finder)) for one in options.pins]
    links = [_link(expand(one, environ), folder) for one in options.find_links]
    written = (*urls, *(one.url for one in options.pins), *options.find_links, *texts)
    return IndexAccess(
        default=full[0],
        extra=tuple(full[1:]),
        pins=tuple(pins),
        find_links=tuple(links),
        no_index=options.no_index,
        trusted_hosts=options.trusted_hosts,
        secrets=tuple(
            dict.fromkeys(secret for url in (*full, *(one.url for one in pins), *links) for secret in _secrets(url))
        )
        + _hidden(written, environ),
        variables=_variables(written, environ),
    )


def uv_variables(access: IndexAccess) -> dict[str, str]:
    """Return uv's variables for the indexes of `access`; URLs go in here, because anyone on the machine can read an argument list."""
    links = [link for link in access.find_links if not is_local(link)]
    said = {
        "UV_DEFAULT_INDEX": access.default,
        "UV_INDEX": " ".join(access.extra),
        "UV_FIND_LINKS": ",".join(links),
    }
    return {name: value for name, value in said.items() if value}


def uv_options(access: IndexAccess) -> list[str]:
    """Return uv's options for the rest of `access`."""
    return [
        *(("--no-index",) if access.no_index else ()),
        *(text for host in access.trusted_hosts for text in ("--allow-insecure-host", host)),
        *(text for link in access.find_links if is_local(link) for text in ("--find-links", link)),
    ]


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Return `text` with each `${NAME}` replaced by its value.

    Raises:
        SolveError: one is not set, or `ENVBUILD_URL_VARIABLES` does not let it go to that host; it is named.
    """
    place = place_of(text)

    def value(match: re.Match[str]) -> str:
        if is_allowed(match[1], place, environ) is False:
            raise SolveError(
                f"{strip_credentials(text)[0]} sends the environment variable {match[1]} to a host that {ALLOWED} does not name",
                hint=f"to allow it, add {match[1]}@{place[1]}",
            )
        found = environ.get(match[1])
        if found is None:
            raise SolveError(
                f"{strip_credentials(text)[0]} needs the environment variable {match[1]}, which is not set",
                hint=f"set {match[1]} and run again",
            )
        return found

    return VARIABLE.sub(value, text)


def default_index() -> str:
    """Return the URL of the index that pip and uv ask where nothing else is said: pip itself knows it."""
    from pip._internal.models.index import PyPI

    return PyPI.simple_url


def is_local(link: str) -> bool:
    """Tell whether `link` is a path and no URL."""
    return _LOCAL.match(link) is not None


def _link(link: str, folder: Path) -> str:
    return str((folder / link).resolve()) if is_local(link) else link


def _with_credentials(url: str, finder: CredentialFinder) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return url
    found = finder.for_url(url)
    if found is None or found.conda_token:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{_userinfo(found)}@{host}"))


def _userinfo(credential: Credential) -> str:
    user = quote(credential.username or ("__token__" if credential.token else ""), safe="")
    password = quote(credential.token or credential.password, safe="")
    return f"{user}:{password}" if password else user


def _secrets(url: str) -> tuple[str, ...]:
    _, credential = strip_credentials(url)
    if credential is None:
        return ()
    return (*credential.secrets, quote(credential.password, safe="")) if credential.password else ()


def _hidden(texts: tuple[str, ...], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of variables that stand as userinfo."""
    names = {name for text in texts for part in _USERINFO.findall(text) for name in VARIABLE.findall(part)}
    return tuple(sorted(environ[name] for name in names if environ.get(name)))


def _variables(texts: tuple[str, ...], environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Pair the value of each variable outside of userinfo with its `${NAME}`, longest first, so that nothing is left over."""
    names = {name for text in texts for name in VARIABLE.findall(_USERINFO.sub("", text))}
    found = {(environ[name], f"${{{name}}}") for name in names if environ.get(name)}
    return tuple(sorted(found, key=lambda pair: (-len(pair[0]), pair)))

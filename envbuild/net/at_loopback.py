"""The digest of an image in a registry on this machine, asked over one plain connection with sockets alone.

To import what speaks to every registry takes ten times as long as these answers. Whatever is not as plain as they are (another host,
TLS, a login, a status other than 200) is no answer, and is asked for again in the usual way.
"""

from __future__ import annotations

import os
import socket

from envbuild.net.media_types import ACCEPTED

_HOSTS = {"localhost": "localhost", "127.0.0.1": "127.0.0.1", "[::1]": "::1"}
_SECONDS = 5
_LARGEST_HEAD = 1 << 16
_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_WORD = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")


def is_at_loopback(name: str) -> bool:
    """Tell whether `name` is plainly an image of a registry on this machine."""
    return _place(name) is not None


def digest_of_both(name: str, tag: str) -> str:
    """Return the digest that the image `name` has, if the tag `tag` beside it has the same; "" says nothing."""
    place = _place(name)
    if place is None or os.environ.get("ENVBUILD_OFFLINE"):
        return ""
    host, port, repository, own = place
    try:
        with socket.create_connection((_HOSTS[host], int(port)), timeout=_SECONDS) as connection:
            paths = [f"/v2/{repository}/manifests/{one}" for one in dict.fromkeys((tag, own))]
            found = {_digest(connection, f"{host}:{port}", path) for path in paths}
    except (OSError, ValueError):
        return ""
    return found.pop() if len(found) == 1 else ""


def _place(name: str) -> tuple[str, str, str, str] | None:
    """Return host, port, repository and tag of `name`; None where it is not plainly an image of a registry on this machine."""
    registry, _, rest = name.partition("/")
    host, _, port = registry.rpartition(":")
    repository, _, tag = rest.partition(":")
    tag = tag if ":" in rest else "latest"
    plain = all(map(_is_component, repository.split("/"))) and len(registry) + len(repository) < 255
    if host not in _HOSTS or not (port.isascii() and port.isdecimal()) or not plain or not _is_tag(tag):
        return None
    return host, port, repository, tag


def _is_component(text: str) -> bool:
    # a separator stands alone between letters or digits; the grammar has more, which the usual way reads
    return all(word and _LOWER.issuperset(word) for word in text.replace("_", "-").replace(".", "-").split("-"))


def _is_tag(text: str) -> bool:
    return 0 < len(text) <= 128 and text[0] in _WORD and _WORD.issuperset(text.replace(".", "").replace("-", ""))


def _digest(connection: socket.socket, host: str, path: str) -> str:
    """Return the digest that the answer to a HEAD request names.

    Raises:
        ValueError, OSError: there is none, or no such answer.
    """
    fields = (f"HEAD {path} HTTP/1.1", f"Host: {host}", "User-Agent: envbuild", f"Accept: {ACCEPTED}")
    connection.sendall("".join(f"{one}\r\n" for one in (*fields, "")).encode("ascii"))
    head = b""
    # no body follows, so that nothing of the next answer can be in it
    while not head.endswith(b"\r\n\r\n"):
        more = connection.recv(_LARGEST_HEAD)
        head += more
        if not more or len(head) > _LARGEST_HEAD:
            raise ValueError(path)
    status, *lines = head.decode("latin-1").split("\r\n")
    found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    digest = found.get("docker-content-digest", "")
    if status.split(" ")[:2] != ["HTTP/1.1", "200"] or not _is_digest(digest):
        raise ValueError(path)
    return digest


def _is_digest(text: str) -> bool:
    kind, _, digits = text.partition(":")
    return kind == "sha256" and len(digits) == 64 and frozenset("0123456789abcdef").issuperset(digits)

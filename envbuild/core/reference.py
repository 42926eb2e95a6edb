"""Image references: the grammar of the distribution specification with Docker's familiar short forms."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace

from envbuild.core.errors import DefinitionError

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]{{1,5}})?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME = 255
_NAME_RULE = "has other characters than lower case letters and digits with . _ - or / between them"
_TAG_RULE = "letters, digits, _ . -; at most 128, the first not . or -"
_DIGEST_RULE = "sha256: and 64 lower case hexadecimal digits"
_HINT = "write [HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST], for example ubuntu:24.04 or registry.example:5000/team/base:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """Which image is meant. `registry` and `repository` are spelled out; `tag` and `digest` are empty where not given.

    Where both are given the digest decides, and the tag is what a person remembers it by.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __post_init__(self) -> None:
        reason = self._fault()
        if reason:
            raise DefinitionError(f"image reference {str(self)!r}: {reason}", hint=_HINT)

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Return the reference that `text` means: `ubuntu` is `docker.io/library/ubuntu`.

        Raises:
            DefinitionError: `text` is not in the grammar of the distribution specification.
        """
        rest, at, digest = text.partition("@")
        name, colon, tag = rest.rpartition(":")
        if not colon or "/" in tag:
            name, colon, tag = rest, "", ""
        empty = "tag" if colon and not tag else "digest" if at and not digest else ""
        if empty:
            raise DefinitionError(f"image reference {text!r}: the {empty} is empty", hint=_HINT)
        registry, repository = _split(name)
        try:
            return cls(registry=registry, repository=repository, tag=tag, digest=digest)
        except DefinitionError as error:
            reason = error.problems[0].message.rpartition("': ")[2]
            if digest and ":" in rest and not digest.startswith("sha"):
                text, reason = f"***@{digest}", "what stands before @ looks like a credential"
            raise DefinitionError(f"image reference {text!r}: {reason}", hint=_HINT) from None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    @property
    def name(self) -> str:
        """The familiar name without tag and digest: `ubuntu`, `registry.example/team/base`."""
        if self.registry != DEFAULT_REGISTRY:
            return f"{self.registry}/{self.repository}"
        short = self.repository.removeprefix("library/")
        return self.repository if "/" in short else short

    @property
    def selector(self) -> str:
        """What a registry is asked for: the digest, else the tag, else `latest`."""
        return self.digest or self.tag or DEFAULT_TAG

    @property
    def is_loopback(self) -> bool:
        """Whether the registry is on this machine, where plain HTTP is as good as TLS."""
        host = self.registry
        if not host.endswith("]"):
            host = host.rpartition(":")[0] or host
        return is_loopback_host(host.strip("[]"))

    def with_digest(self, digest: str) -> ImageReference:
        """Return the reference pinned to `digest`; the tag stays as a reminder."""
        return replace(self, digest=digest)

    def with_tag(self, tag: str) -> ImageReference:
        """Return the reference to `tag` of the same repository, without a digest."""
        return replace(self, tag=tag, digest="")

    def _fault(self) -> str:
        long = len(self.registry) + 1 + len(self.repository) > _LONGEST_NAME
        faults = (
            (not _REGISTRY.fullmatch(self.registry), f"{self.registry!r} is not a host name with an optional port"),
            (not self.repository, "the name is empty"),
            (not _REPOSITORY.fullmatch(self.repository), f"the name {self.repository!r} {_NAME_RULE}"),
            (long, f"the name is longer than {_LONGEST_NAME} characters"),
            (self.tag and not _TAG.fullmatch(self.tag), f"{self.tag!r} is not a tag ({_TAG_RULE})"),
            (self.digest and not is_digest(self.digest), f"{self.digest!r} is not a digest ({_DIGEST_RULE})"),
        )
        return next((reason for wrong, reason in faults if wrong), "")


def is_digest(text: str) -> bool:
    """Tell whether `text` is a digest of an algorithm that the image specification registers."""
    return _DIGEST.fullmatch(text) is not None


def is_loopback_host(host: str) -> bool:
    """Tell whether `host` (a name or an address, no port, no brackets) is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    # a first part is a host only if it cannot be a repository's: the rule that every client follows
    if not slash or not (set(first) & set(".:") or first == "localhost" or first.lower() != first):
        first, rest = DEFAULT_REGISTRY, name
    if first == f"index.{DEFAULT_REGISTRY}":
        first = DEFAULT_REGISTRY
    if first == DEFAULT_REGISTRY and "/" not in rest:
        if _IMAGE_ID.fullmatch(rest):
            raise DefinitionError(
                f"image reference {name!r}: 64 hexadecimal digits are an image id, not a name", hint=_HINT
            )
        rest = f"library/{rest}" if rest else ""
    return first, rest

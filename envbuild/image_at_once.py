"""What `envbuild image` says of an image that is there and whose definition has not changed: said before anything is loaded to build."""

from __future__ import annotations

from envbuild.cli.image_words import image_words
from envbuild.last_image import last_image
from envbuild.unchanged import default_definition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envbuild.last_image import Layers

_FLAGS = {"--push": "push", "--json": "json", "--locked": "locked", "--quiet": "quiet", "-q": "quiet"}
_VALUES = {
    "--tag": "tag",
    "-t": "tag",
    "--engine": "engine",
    "--environment": "environment",
    "-e": "environment",
    "--network": "network",
}


class Asked:
    """The words after `envbuild image`, where they say nothing but which image is wanted, where, and how to speak of it."""

    def __init__(self) -> None:
        """Start with what no words mean."""
        self.values: dict[str, list[str]] = {name: [] for name in ("definition", *_VALUES.values())}
        self.flags: set[str] = set()

    def last(self, name: str, default: str = "") -> str:
        """Return what was said last as `name`."""
        return (self.values[name] or [default])[-1]


def read_words(words: Sequence[str]) -> Asked | None:
    """Return what `words` say; None for any word that is not plainly one of these, which is left to the command line's parser."""
    asked, rest = Asked(), list(words)
    while rest:
        word = rest.pop(0)
        name, given, value = word.partition("=")
        if word in _FLAGS:
            asked.flags.add(_FLAGS[word])
        elif name in _VALUES and given and name.startswith("--"):
            asked.values[_VALUES[name]].append(value)
        elif word in _VALUES and rest and not rest[0].startswith("-"):
            asked.values[_VALUES[word]].append(rest.pop(0))
        elif word and not word.startswith("-"):
            asked.values["definition"].append(word)
        else:
            return None
    return asked if len(asked.values["definition"]) < 2 else None


def image_answer(words: Sequence[str]) -> str:
    """Return what `envbuild image WORDS` prints where the image is there; "" leaves it to the command."""
    asked = read_words(words)
    if asked is None:
        return ""
    definition = asked.last("definition") or default_definition("")
    known = last_image(definition, asked.last("environment")) if definition else None
    if known is None:
        return ""
    name, layers = known
    found = _found(asked, name, layers)
    return image_words(found, asked.values["tag"], layers, as_json="json" in asked.flags) if found else ""


def _found(asked: Asked, name: str, layers: Layers) -> Mapping[str, object]:
    """Return what is known of the image where the registries of all its names have it, or docker where none gets it."""
    tags, key = asked.values["tag"], layers[-1][1]
    if "push" in asked.flags:
        # what the image is called on this machine ends with the tag of its key
        where = _in_registry(key, name.rpartition("/")[2], tags)
    elif not tags and asked.last("engine", "auto") in ("auto", "docker"):
        where = _in_docker(name)
    else:
        return {}
    usual = {"name": name, "key": key, "engine": "", "built": False, "id": "", "digest": "", "size": 0}
    return {**usual, "seconds": 0.0, **where} if where else {}


def _in_registry(key: str, key_tag: str, tags: Sequence[str]) -> Mapping[str, object]:
    from envbuild.net.at_loopback import digest_of_both, is_at_loopback

    if all(map(is_at_loopback, tags)):
        digests = [digest_of_both(tag, key_tag) for tag in tags]
    else:
        digests = [_told_by_client(key, tags)]
    return {"engine": "registry", "digest": digests[0]} if digests and all(digests) else {}


def _told_by_client(key: str, tags: Sequence[str]) -> str:
    from envbuild.core.errors import EnvbuildError
    from envbuild.engines.registry_reuse import reuse_from_registry
    from envbuild.net.registry import RegistryClient

    try:
        return reuse_from_registry(RegistryClient(), tags, key)
    except EnvbuildError:
        return ""  # the long way says what is wrong


def _in_docker(name: str) -> Mapping[str, object]:
    from envbuild.engines.docker_socket import image_attributes

    said = image_attributes(name, timeout=10)
    return {"engine": "docker", "id": str(said.get("Id", "")), "size": int(said.get("Size", 0))} if said else {}

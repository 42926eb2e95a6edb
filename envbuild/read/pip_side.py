"""What pip is told: requirements, constraints and options, gathered while files are read."""

from __future__ import annotations

import re

from envbuild.core.definition import Definition, IndexOptions, IndexPin, Origin, PipRequirement
from envbuild.core.names import is_distribution, is_location, normalize
from envbuild.read.findings import Findings
from envbuild.read.requirement import is_marker
from envbuild.read.sources import beside
from envbuild.read.urls import has_credentials

LINE_OPTIONS = frozenset(
    {"--global-option", "--config-settings", "--config-setting", "-C", "--install-option", "--build-option"}
)
"""pip's options behind one requirement that change only how it is built."""

_NO_EFFECT = {
    "--require-hashes": "a lock always has hashes",
    "--prefer-binary": "wheels are taken wherever there are any",
    "--use-feature": "it switches on an experiment of pip's own",
    "--no-deps": "a lock is always complete",
    "--no-cache-dir": "it is about pip's cache",
    "--upgrade": "`lock --update` is what upgrades",
    "-U": "`lock --update` is what upgrades",
    "--disable-pip-version-check": "it is about pip itself",
}
_GONE = {
    "--allow-external": "10",
    "--allow-all-external": "10",
    "--allow-unverified": "10",
    "--process-dependency-links": "19",
    "--use-wheel": "10",
    "--no-use-wheel": "10",
    "--always-unzip": "22",
    "-Z": "22",
    "--use-mirrors": "7",
    "--mirrors": "7",
}
_NO_CREDENTIAL = "write ${NAME} in its place, or keep it in netrc or a keyring"
_HOST = re.compile(r"[A-Za-z0-9.*-]+(?::\d{1,5})?|\[[0-9a-fA-F:]+\](?::\d{1,5})?")


class PipSide:
    """Requirements and options in the order in which they were read."""

    def __init__(self) -> None:
        self.requirements: list[PipRequirement] = []
        self.constraints: list[PipRequirement] = []
        self.index_url = ""
        self.extra_index_urls: list[str] = []
        self.find_links: list[str] = []
        self.no_index = False
        self.pre = False
        self.only_binary: list[str] = []
        self.no_binary: list[str] = []
        self.trusted_hosts: list[str] = []
        self.pins: list[IndexPin] = []
        self._files = 0
        self._said: set[tuple[bool, PipRequirement]] = set()

    def add(self, requirement: PipRequirement, *, constraint: bool = False) -> None:
        """Add one requirement, or one constraint; what is said twice in the same words is kept once."""
        side = self.constraints if constraint else self.requirements
        if (constraint, requirement) not in self._said:
            self._said.add((constraint, requirement))
            side.append(requirement)

    def count_file(self) -> int:
        """Count one more included file, and return how many there are."""
        self._files += 1
        return self._files

    def extend(self, definition: Definition) -> None:
        """Add pip's side of a definition that was read before."""
        self.requirements.extend(definition.pip)
        self.constraints.extend(definition.constraints)
        index = definition.index
        self.index_url, self.no_index, self.pre = index.index_url, index.no_index, index.pre
        self.extra_index_urls.extend(index.extra_index_urls)
        self.find_links.extend(index.find_links)
        self.only_binary.extend(index.only_binary)
        self.no_binary.extend(index.no_binary)
        self.trusted_hosts.extend(index.trusted_hosts)
        self.pins.extend(index.pins)

    def index(self) -> IndexOptions:
        """Return the options as a value."""
        return IndexOptions(
            index_url=self.index_url,
            extra_index_urls=tuple(self.extra_index_urls),
            find_links=tuple(self.find_links),
            no_index=self.no_index,
            pre=self.pre,
            only_binary=tuple(self.only_binary),
            no_binary=tuple(self.no_binary),
            trusted_hosts=tuple(self.trusted_hosts),
            pins=tuple(self.pins),
        )

    def pin(self, name: str, url: str, at: Origin, findings: Findings, *, marker: str = "") -> None:
        """Take the distribution `name` from the index at `url` and no other, where `marker` holds."""
        if has_credentials(url):
            findings.refuse(
                at, f"the index {url} of {name} holds a credential; a definition never does", _NO_CREDENTIAL
            )
        elif not url.startswith(("https://", "http://")) or not is_location(url):
            findings.refuse(at, f"the index of {name} is {url!r}, which is not a URL")
        elif not is_distribution(name):
            findings.refuse(at, f"{name!r} is not a distribution")
        elif marker and not is_marker(marker):
            findings.refuse(at, f"{marker!r} is not an environment marker")
        elif (one := IndexPin(name=normalize(name), url=url, marker=marker)) not in self.pins:
            self.pins.append(one)

    def option(self, name: str, value: str | None, at: Origin, findings: Findings) -> None:
        """Apply pip's option `name`; what has no effect is noted, what pip does not have is a problem."""
        if name in _NO_EFFECT:
            findings.note(at, f"{name} has no effect: {_NO_EFFECT[name]}")
        elif name in _GONE:
            findings.refuse(at, f"{name} is an option that pip {_GONE[name]} removed", "remove the line")
        elif name in ("-i", "--index-url", "--pypi-url", "--extra-index-url", "-f", "--find-links"):
            self._location(name, value or "", at, findings)
        elif name in ("--no-index", "--pre"):
            self._switch(name, at, findings, value)
        elif name in ("--only-binary", "--no-binary"):
            self._formats(name, value or "", at, findings)
        elif name == "--trusted-host":
            self._host(value or "", at, findings)
        else:
            findings.refuse(
                at, f"{name} is not an option of a requirements file", "see the options in pip's documentation"
            )

    def _location(self, name: str, value: str, at: Origin, findings: Findings) -> None:
        url = value.strip("'\"")
        if has_credentials(url):
            findings.refuse(
                at,
                f"{name} {url} holds a credential; a definition never does",
                _NO_CREDENTIAL,
            )
        elif not is_location(url):
            findings.refuse(at, f"{name} {value!r} is not a URL")
        elif name in ("-f", "--find-links"):
            # a folder counts from the file that names it
            _append(self.find_links, url if "://" in url or "/" not in at.file else beside(at.file, url))
        elif name == "--extra-index-url":
            _append(self.extra_index_urls, url)
        else:
            self._index(url, at, findings)

    def _index(self, url: str, at: Origin, findings: Findings) -> None:
        if self.index_url and self.index_url != url:
            findings.note(at, f"--index-url stands here a second time; the last one counts, as in pip: {url}")
        self.index_url = url

    def _switch(self, name: str, at: Origin, findings: Findings, value: str | None) -> None:
        if value is not None:
            findings.refuse(at, f"{name} takes no value", f"write {name} alone")
        elif name == "--pre":
            self.pre = True
        else:
            self.no_index = True

    def _formats(self, name: str, value: str, at: Origin, findings: Findings) -> None:
        mine, other = (
            (self.only_binary, self.no_binary) if name == "--only-binary" else (self.no_binary, self.only_binary)
        )
        for word in value.split(","):
            one = word.strip()
            if one == ":none:":
                mine.clear()
            elif one == ":all:":
                other.clear()
                mine[:] = [":all:"]
            elif is_distribution(one):
                _append(mine, normalize(one))
                if normalize(one) in other:
                    other.remove(normalize(one))
            else:
                findings.refuse(
                    at, f"{name} {value!r}: {one!r} is not a distribution", "names, :all: or :none: are accepted"
                )

    def _host(self, value: str, at: Origin, findings: Findings) -> None:
        if _HOST.fullmatch(value):
            _append(self.trusted_hosts, value)
        else:
            findings.refuse(at, f"--trusted-host {value!r} is not a host", "write host or host:port, without https://")


def _append(values: list[str], value: str) -> None:
    if value not in values:
        values.append(value)

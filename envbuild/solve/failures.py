"""What a resolver says when it fails, turned into problems that name the person's own lines first."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

from envbuild.core.errors import EnvbuildError, NetworkError, Problem, SolveError
from envbuild.core.names import normalize
from envbuild.solve.indexes import IndexAccess
from envbuild.solve.requirements import Asked, Line
from envbuild.solve.stubs import LABEL

_STUB = re.compile(rf"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s,]+?)(?:\+|\.){LABEL}\b")
_NEEDS_WHEEL = re.compile(
    r"Wheels are required for `([^`]+)`|([A-Za-z0-9][A-Za-z0-9._-]*)\S* has no (?:usable |compatible )?wheels"
)
_PIN_WITHOUT_WHEEL = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+) has no (?:usable |compatible )?wheels(?! with)")
_PYTHON = re.compile(r"Python (?:ABI|implementation|version)? ?tag|requested Python version|current Python version")
_FIRST, _LAST = 10, 20
_HEADLINES = ("No solution found when resolving", "warning:")
_NETWORK = re.compile(
    r"error sending request|Failed to fetch|Could not connect|Request failed|HTTP status (?:client|server) error|dns error"
)
_OFFLINE = re.compile(r"network (?:connectivity is|was) disabled", re.IGNORECASE)
_NOT_FOUND = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*) was not found in|there are no versions of ([A-Za-z0-9][A-Za-z0-9._-]*)(?= and |,| )"
)


class ResolverError(Exception):
    """uv or pip-compile failed. `text` is what it said, without the temporary folder that it worked in."""

    def __init__(self, text: str, folder: Path) -> None:
        """Clean `text` of what a person did not write."""
        self.text = _clean(text.replace(f"{folder}/", "").replace(str(folder), ""))
        super().__init__(self.text)

    @property
    def without_wheel(self) -> frozenset[str]:
        """The distributions that have no usable wheel."""
        return frozenset(one or other for one, other in _NEEDS_WHEEL.findall(self.text))

    @property
    def pins_without_wheel(self) -> frozenset[tuple[str, str]]:
        """The names and exact versions of which it says that they have no usable wheel."""
        return frozenset(_PIN_WITHOUT_WHEEL.findall(self.text))

    @property
    def stubs(self) -> frozenset[str]:
        """The provided distributions that take part in the contradiction."""
        return frozenset(name for name, _ in _STUB.findall(self.text))

    @property
    def blames_python(self) -> bool:
        """Tell whether another Python might do: its version is named, or a wheel is missing that it may have."""
        return bool(self.without_wheel) or _PYTHON.search(self.text) is not None

    def blamed(self, asked: Asked) -> frozenset[str]:
        """Return the names whose requirements are to be left out if more problems are to be seen."""
        return frozenset(self.without_wheel | self._absent or {one.name for one in self._lines(asked) if one.name})

    @property
    def names(self) -> frozenset[str]:
        """Every word that may be a distribution's name."""
        return frozenset(map(normalize, re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", self._said)))

    def explained(self, asked: Asked, access: IndexAccess) -> EnvbuildError:
        """Return the error to raise: NetworkError where a server is at fault, else SolveError."""
        problems = self.problems(asked, access, {})
        return NetworkError(problems) if self._network else SolveError(problems)

    def problems(
        self, asked: Asked, access: IndexAccess, provided: Mapping[str, str], *, python: tuple[str, str] = ("", "")
    ) -> tuple[Problem, ...]:
        """Return one problem: the lines that take part, what is `provided`, and the resolver's own words behind them.

        `python` is the one that it was asked for, and one that has an answer, where that is the point.
        """
        lines = self._lines(asked)
        first = lines[0] if lines else None
        said = shortened(_STUB.sub(r"\1 \2 (provided)", self._said))
        summary = self._summary(lines, provided) + (f" with Python {python[0]}" if python[0] else "")
        message = access.safe(f"{summary}\n{textwrap.indent(said, '    ')}")
        origin = first.origin if first else (asked.lines[0].origin if asked.lines else None)
        return (
            Problem(
                message=message,
                file=origin.file if origin else "",
                line=first.origin.line if first else None,
                key=first.origin.key if first and first.origin.line is None else "",
                hint=f"with Python {python[1]} there is an answer" if python[1] else self._hint(),
            ),
        )

    @property
    def _network(self) -> bool:
        return _NETWORK.search(self.text) is not None and "No solution found" not in self.text

    @property
    def _said(self) -> str:
        """The explanation without the headline and the hints, which speak of the resolver's own options."""
        body = self.text.partition("\nhint:")[0]
        lines = [re.sub(r"^(?:error:|cause:|[\u00d7╰─▶│├]+)\s*", "", line.strip()) for line in body.splitlines()]
        return "\n".join(line for line in lines if line and not line.startswith(_HEADLINES))

    def _lines(self, asked: Asked) -> list[Line]:
        said = self._said
        return [
            one
            for one in (*asked.lines, *asked.constraints)
            if one.name in self.names or (not one.name and one.body in said)
        ]

    def _summary(self, lines: list[Line], provided: Mapping[str, str]) -> str:
        written = [
            f"`{one.written}`" + (f" ({one.origin})" if number and str(one.origin) else "")
            for number, one in enumerate(lines)
        ]
        has = [f"{name} {version} (already provided)" for name, version in provided.items()]
        *others, last = [*written, *has] or ["the requirements"]
        sides = f"{', '.join(others)} and {last}" if others else last
        if self._network:
            return f"{sides}: a server cannot be reached or refuses"
        return f"{sides} cannot be satisfied{' together' if len(written) + len(has) > 1 else ''}"

    def _hint(self) -> str:
        if hint := self._name_hint():
            return hint
        if self._network or _OFFLINE.search(self.text):
            return self._network_hint()
        if absent := sorted(self._absent):
            return f"check the name {absent[0]}, or name the index that has it: --index-url, --extra-index-url"
        if "pre-release" in self.text:
            return "allow pre-releases with --pre, or name one in the version"
        return ""

    def _network_hint(self) -> str:
        if _OFFLINE.search(self.text):
            return "run it once without --offline, so that the cache has what it needs"
        if "peer certificate" in self.text:
            return "name the file of a private certificate authority in SSL_CERT_FILE, REQUESTS_CA_BUNDLE or PIP_CERT"
        return "check the index URL and its credentials (netrc, keyring or ${VARIABLE} in the URL)"

    def _name_hint(self) -> str:
        missing = sorted(self.without_wheel)
        if mistaken := sorted(name for name in (*missing, *self._absent) if index_name(name)):
            return f"write {index_name(mistaken[0])}: so the package index calls what is meant by {mistaken[0]}"
        name = ", ".join(missing)
        allow = f"--allow-sdist {missing[0]}" if missing else ""
        return (
            f"choose a version of {name} that has a wheel, or allow its source distribution by name: {allow}"
            if name
            else ""
        )

    @property
    def _absent(self) -> frozenset[str]:
        return frozenset(one or other for one, other in _NOT_FOUND.findall(self.text))


_MISNAMED = {
    "attr": "attrs",
    "cv2": "opencv-python",
    "opencv": "opencv-python",
    "pil": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "tf": "tensorflow",
    "yaml": "pyyaml",
}
"""What people call a distribution by the module that they import, where the index has nothing usable of that name."""


def index_name(name: str) -> str:
    """Return what the package index calls a distribution that goes by `name` in conda or in an import; empty if unknown."""
    from envbuild.solve.names import RENAMED

    return _MISNAMED.get(normalize(name)) or RENAMED.get(normalize(name), "")


def shortened(text: str) -> str:
    """Return a long explanation without its middle: it begins with what is given and ends with what follows."""
    lines = text.splitlines()
    left_out = len(lines) - _FIRST - _LAST
    if left_out < 2:
        return text
    return "\n".join([*lines[:_FIRST], f"… ({left_out} lines are left out)", *lines[-_LAST:]])


def _clean(text: str) -> str:
    text = re.sub(r"\{(?:python|sys|platform|os|implementation|extra)[^}]*\}", "", text)
    text = re.sub(r" for split \([^)]*\)", "", text)
    text = re.sub(r"no `[^`]*`-compatible wheels", "no compatible wheels", text)
    return text.replace(" (from constraints.txt)", "").strip()

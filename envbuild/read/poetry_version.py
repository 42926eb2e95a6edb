"""Poetry's version constraints in PEP 440: caret, tilde, wildcards, exact versions, alternatives."""

from __future__ import annotations

import re

from packaging.version import InvalidVersion, Version

_PART = re.compile(r"(\^|~(?!=)|~=|===|==|!=|>=|<=|>|<|=|)\s*(v?[0-9*][0-9A-Za-z.!+*_-]*)")


def to_pep440(written: str) -> str:
    """Return the PEP 440 specifier that says what `written` says; an empty text for any version.

    Raises:
        ValueError: it is no constraint, or alternatives (`||`) that one specifier cannot say.
    """
    alternatives = [_all_of(one) for one in re.split(r"\|\|?", written)]
    if len(alternatives) == 1:
        return ",".join(alternatives[0])
    return ",".join(_merge(alternatives, written))


def _all_of(written: str) -> list[str]:
    body = written.strip()
    found: list[str] = []
    position = 0
    while position < len(body):
        part = _PART.match(body, position)
        if part is None:
            raise ValueError(f"{written.strip()!r} is not a version constraint")
        found += _one(part[1], part[2].removeprefix("v"), written.strip())
        position = part.end()
        separator = re.compile(r"\s*,\s*|\s+|$").match(body, position)
        if separator is None:
            raise ValueError(f"{written.strip()!r} is not a version constraint")
        position = separator.end()
    return found


def _one(operator: str, version: str, written: str) -> list[str]:
    if version == "*":
        return []
    stem = version.removesuffix(".*")
    if "*" in stem:
        raise ValueError(f"{version!r} in {written!r} is not a version")
    try:
        numbers = Version(stem).release
    except InvalidVersion as error:
        raise ValueError(f"{version!r} in {written!r} is not a version") from error
    if operator == "^":
        return [f">={stem}", f"<{_caret(numbers)}"]
    if operator == "~":
        return [f">={stem}", f"<{_tilde(numbers)}"]
    if operator in ("", "=", "=="):
        return [f"=={version}"]
    return [f"{operator}{stem if operator != '!=' else version}"]


def _caret(numbers: tuple[int, ...]) -> str:
    """Return the first version that may break: one more in the leftmost number that is not 0."""
    place = next((at for at, number in enumerate(numbers) if number), len(numbers) - 1)
    return _bump(numbers, place)


def _tilde(numbers: tuple[int, ...]) -> str:
    return _bump(numbers, 1 if len(numbers) > 1 else 0)


def _bump(numbers: tuple[int, ...], place: int) -> str:
    head = [*numbers[:place], numbers[place] + 1]
    return ".".join(map(str, head + [0] * (max(len(numbers), 2) - len(head))))


def _merge(alternatives: list[list[str]], written: str) -> list[str]:
    """Return one range for alternatives that touch one another: `>=2.6,<2.7 || >=2.7,<3` is `>=2.6,<3`."""
    ranges = sorted((_range(one, written) for one in alternatives), key=lambda one: one[0])
    low, high = ranges[0]
    for start, end in ranges[1:]:
        if high is not None and start > high:
            raise ValueError(f"{written!r} has alternatives with a gap between them, which PEP 440 cannot say")
        high = None if high is None or end is None else max(high, end)
    return [f">={low}"] + ([f"<{high}"] if high is not None else [])


def _range(specifiers: list[str], written: str) -> tuple[Version, Version | None]:
    low = next((one[2:] for one in specifiers if one.startswith(">=")), None)
    high = next((one[1:] for one in specifiers if re.match(r"<\d", one)), None)
    wildcard = next((one[2:-2] for one in specifiers if one.startswith("==") and one.endswith(".*")), None)
    if wildcard is not None and len(specifiers) == 1:
        numbers = Version(wildcard).release
        return Version(wildcard), Version(_bump(numbers, len(numbers) - 1))
    if low is None or len(specifiers) != 1 + (high is not None):
        raise ValueError(f"{written!r} has alternatives, which PEP 440 cannot say")
    return Version(low), Version(high) if high else None

"""Environment markers (PEP 508) once the Python and the platforms are known: what they decide is decided, the rest stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from packaging.markers import Marker

from envbuild.core.platforms import PLATFORMS, Platform

_PYTHON = frozenset({"python_version", "python_full_version"})
_CPYTHON = {"platform_python_implementation": "CPython", "implementation_name": "cpython"}


def environments(platforms: Iterable[Platform], minor: tuple[int, int]) -> list[str]:
    """Return the markers that hold on CPython `minor` on each of `platforms`; without any, one for all that we know."""
    python = f"python_full_version < '{minor[0]}.{minor[1] + 1}' and platform_python_implementation == 'CPython'"
    places = [
        f"sys_platform == '{one.sys_platform}' and platform_machine == '{one.platform_machine}'" for one in platforms
    ]
    systems = dict.fromkeys(f"sys_platform == '{one.sys_platform}'" for one in PLATFORMS.values())
    return [f"{place} and {python}" for place in places or [f"({' or '.join(systems)})"]]


def simplified(marker: str, minor: tuple[int, int], platforms: Sequence[Platform] = ()) -> str | None:
    """Return what is left of `marker` on CPython `minor` and `platforms` (none given: all that we know).

    An empty text says that it always holds, None that it never does.
    """
    if not marker:
        return ""
    parsed = Marker(marker)
    samples = list(_samples(minor, platforms or tuple(PLATFORMS.values())))
    answers = [parsed.evaluate(one) for one in samples]
    if len(set(answers)) == 1:
        return "" if answers[0] else None
    left = _simplified(parsed._markers, minor)  # noqa: SLF001 - packaging has no public view of the tree
    if isinstance(left, bool):
        return marker
    return _shortest(left[0], samples, answers) if platforms else left[0]


def _shortest(marker: str, samples: Sequence[dict[str, str]], answers: list[bool]) -> str:
    """Return `marker` without the conditions of its conjunction that change none of `answers`."""
    if " or " in marker:
        return marker
    parts = marker.split(" and ")
    for part in list(parts):
        rest = " and ".join(one for one in parts if one != part)
        if rest and [Marker(rest).evaluate(one) for one in samples] == answers:
            parts.remove(part)
    return " and ".join(parts)


def _samples(minor: tuple[int, int], platforms: Iterable[Platform]) -> Iterator[dict[str, str]]:
    for one in platforms:
        names = ("sys_platform", "platform_system", "platform_machine", "os_name")
        place = {name: str(getattr(one, name)) for name in names}
        for python in _releases(minor):
            yield {**place, **python, **_CPYTHON}


def _releases(minor: tuple[int, int]) -> Iterator[dict[str, str]]:
    """Yield a first and a far later release of `minor`: where they agree, every release does."""
    name = f"{minor[0]}.{minor[1]}"
    for micro in (0, 999):
        yield {
            "python_version": name,
            "python_full_version": f"{name}.{micro}",
            "implementation_version": f"{name}.{micro}",
        }


_Left = bool | tuple[str, bool]
"""Decided, or the text that is left and whether it is a disjunction (which needs brackets inside `and`)."""


def _simplified(node: Any, minor: tuple[int, int]) -> _Left:
    if isinstance(node, tuple):
        return _atom(node, minor)
    alternatives: list[list[_Left]] = [[]]
    for part in node:
        if part == "or":
            alternatives.append([])
        elif part != "and":
            alternatives[-1].append(_simplified(part, minor))
    return _any([_all(parts) for parts in alternatives])


def _atom(node: tuple[Any, Any, Any], minor: tuple[int, int]) -> _Left:
    left, operator, right = node
    text = f"{left.serialize()} {operator.serialize()} {right.serialize()}"
    if {left.value, right.value} & {*_PYTHON, *_CPYTHON}:
        answers = {Marker(text).evaluate({**python, **_CPYTHON}) for python in _releases(minor)}
        if len(answers) == 1:
            return answers.pop()
    return text.replace('"', "'"), False


def _all(parts: list[_Left]) -> _Left:
    if any(part is False for part in parts):
        return False
    texts = [part for part in parts if not isinstance(part, bool)]
    if not texts:
        return True
    if len(texts) == 1:
        return texts[0]
    return " and ".join(f"({text})" if is_or else text for text, is_or in texts), False


def _any(parts: list[_Left]) -> _Left:
    if any(part is True for part in parts):
        return True
    texts = list(dict.fromkeys(part for part in parts if not isinstance(part, bool)))
    if not texts:
        return False
    if len(texts) == 1:
        return texts[0]
    return " or ".join(f"({text})" if " and " in text else text for text, _ in texts), True

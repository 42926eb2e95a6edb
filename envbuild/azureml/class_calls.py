"""Methods that the documents also call on the class: `Environment.save_to_directory(path=…)`, `Run.get_environment()`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


class OfTheClassToo:
    """A method that, called on the class, is that of the instance which `instead`, given the class and the arguments, returns."""

    def __init__(self, instead: Callable[..., Any]) -> None:
        """Decorate a method, which is called with the same arguments."""
        self._instead = instead
        self._method: Callable[..., Any] = instead

    def __call__(self, method: Callable[..., Any]) -> OfTheClassToo:
        self._method = method
        return self

    def __get__(self, one: Any, owner: type) -> Callable[..., Any]:
        @functools.wraps(self._method)
        def call(*arguments: Any, **named: Any) -> Any:
            chosen = one if one is not None else self._instead(owner, *arguments, **named)
            return self._method(chosen, *arguments, **named)

        return call

"""What the decorators of the inference-schema package say about run(). The package is imported only if the script did."""

from __future__ import annotations

import inspect
import sys
from typing import Any, Callable, Mapping, NamedTuple

from .failures import RequestError
from .script import Script


class MismatchError(Exception):
    """A value of the request does not have the shape or type of the sample: the client's mistake, not the script's."""


class Schema(NamedTuple):
    """The parameters of a decorated run(), and its input and output as Swagger schemas."""

    parameters: Mapping[str, inspect.Parameter]
    input: Mapping[str, Any]
    output: Mapping[str, Any]
    versions: list[str]

    @property
    def has_input(self) -> bool:
        """Whether a parameter is described, so that run() takes the keys of an object."""
        return "properties" in self.input

    def select(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments out of a request's object; keys that run() does not take are left out.

        Raises:
            RequestError: 400 when a parameter without a default is missing.
        """
        found = {}
        for name, parameter in self.parameters.items():
            if name in given:
                found[name] = given[name]
            elif parameter.default is parameter.empty:
                raise RequestError(400, f"A value is not provided for the {name!r} parameter.")
            else:
                # Passed by hand: the decorators look the argument up and fail where it is left out.
                found[name] = parameter.default
        return found


def read_schema(script: Script) -> Schema | None:
    """Return the schema of a decorated run(), or None when it is not decorated."""
    package = sys.modules.get("inference_schema.schema_util")
    if package is None or not package.is_schema_decorated(script.run):
        return None
    parameters = {parameter.name: parameter for parameter in script.parameters}
    _mark_conversion_errors(parameters)
    return Schema(
        parameters,
        package.get_input_schema(script.run),
        package.get_output_schema(script.run),
        [str(version) for version in package.get_supported_versions(script.run)],
    )


def _mark_conversion_errors(parameters: Mapping[str, inspect.Parameter]) -> None:
    """Make the decorators raise MismatchError where a value cannot be converted, and pass defaults through as they are.

    The conversion runs inside the decorated function, so that without a mark a wrong shape looks like a bug in run().
    """
    decorators = sys.modules["inference_schema.schema_decorators"]
    convert: Callable[[Any, Any, str], Any] = decorators._deserialize_input_argument  # noqa: SLF001 - no public seam

    def marked(value: Any, kind: Any, name: str) -> Any:
        if name in parameters and value is parameters[name].default:
            return value
        try:
            return convert(value, kind, name)
        except MismatchError:
            raise
        except Exception as error:
            raise MismatchError(f"The value of the {name!r} parameter is not usable: {error}") from error

    decorators._deserialize_input_argument = marked  # type: ignore[attr-defined]  # noqa: SLF001

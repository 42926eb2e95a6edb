"""How a request becomes the arguments of run(): one class for each shape of script."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Mapping
from urllib.parse import parse_qsl

from .failures import RequestError, StartupError
from .schema import Schema, read_schema
from .script import Script

Environ = Dict[str, Any]
ReadBody = Callable[[Environ], bytes]
MAX_FIELDS = 1000


class TextCall:
    """An undecorated run(): it gets the body as text; a GET's query as the text of a JSON object."""

    def __init__(self, script: Script, read_body: ReadBody) -> None:
        """Take the script, and what reads a body within the limits."""
        self.run = script.run
        self._name = script.parameters[0].name
        self._takes_headers = script.takes_headers
        self._read_body = read_body
        # The documented CORS script takes `request` and uses it as one, without @rawhttp.
        self._as_request = self._name == "request"
        for extra in script.parameters[1:]:
            if extra.default is extra.empty:
                raise StartupError(f"run() of {script.name}: nothing can be passed for the parameter {extra.name}")

    def arguments(self, environ: Environ) -> dict[str, Any]:
        """Return the keyword arguments for run().

        Raises:
            RequestError: 400 when the body is not UTF-8.
        """
        if environ["REQUEST_METHOD"] == "POST":
            body = self._read_body(environ)
            try:
                text = body.decode("utf-8")
            except UnicodeDecodeError as error:
                raise RequestError(400, f"Input cannot be decoded as UTF-8: {error}") from None
        else:
            text, body = json.dumps(query_object(environ)), b""
        if self._as_request:
            from .http_types import RequestText, make_request

            text = RequestText.of(text, make_request(environ, body))
        if self._takes_headers:
            return {self._name: text, "request_headers": header_dict(environ)}
        return {self._name: text}


class RawCall:
    """A run() decorated with @rawhttp: it gets the request itself."""

    def __init__(self, script: Script, read_body: ReadBody) -> None:
        """Take the script, and what reads a body within the limits."""
        self.run = script.run
        self._name = script.parameters[0].name
        self._takes_headers = script.takes_headers
        self._read_body = read_body

    def arguments(self, environ: Environ) -> dict[str, Any]:
        """Return the keyword arguments for run()."""
        from .http_types import make_request

        body = self._read_body(environ) if environ["REQUEST_METHOD"] == "POST" else b""
        found: dict[str, Any] = {self._name: make_request(environ, body)}
        if self._takes_headers:
            found["request_headers"] = header_dict(environ)
        return found


class SchemaCall:
    """A run() decorated with inference_schema: it gets one argument for each key of a JSON object."""

    def __init__(self, script: Script, schema: Schema, read_body: ReadBody) -> None:
        """Take the script, its schema, and what reads a body within the limits."""
        self.run = script.run
        self._schema = schema
        self._takes_headers = script.takes_headers
        self._read_body = read_body

    def arguments(self, environ: Environ) -> dict[str, Any]:
        """Return the keyword arguments for run().

        Raises:
            RequestError: 400 or 415, with a message that says what was expected.
        """
        given = self._posted(environ) if environ["REQUEST_METHOD"] == "POST" else query_object(environ)
        found = self._schema.select(given)
        if self._takes_headers:
            found["request_headers"] = header_dict(environ)
        return found

    def _posted(self, environ: Environ) -> Mapping[str, Any]:
        kind = environ.get("CONTENT_TYPE", "").split(";", 1)[0].strip().lower()
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise RequestError(415, "Expects Content-Type to be application/json")
        body = self._read_body(environ)
        if not body:
            raise RequestError(400, "POST body is empty. Expecting a JSON dictionary.")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RequestError(400, f"POST body could not be decoded as JSON: {error}") from None
        if not isinstance(found, dict):
            raise RequestError(400, "POST body should be a JSON dictionary.")
        return found


def make_call(script: Script, read_body: ReadBody) -> Any:
    """Choose the way in which `script` is called.

    Raises:
        StartupError: when run() is decorated in two ways that exclude each other, or cannot be called.
    """
    schema = read_schema(script)
    if schema is not None and script.is_raw:
        raise StartupError(f"run() of {script.name} has both @rawhttp and @input_schema: use one of them")
    if script.is_raw:
        return RawCall(script, read_body)
    if schema is not None and schema.has_input:
        return SchemaCall(script, schema, read_body)
    return TextCall(script, read_body)


def query_object(environ: Environ) -> dict[str, Any]:
    """Read the query: each value as JSON where it is JSON, as text where not; a repeated key becomes a list."""
    try:
        pairs = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise RequestError(400, f"The query has more than {MAX_FIELDS} parameters.") from None
    found: dict[str, Any] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(_json_or_text(value))
    return {key: values[0] if len(values) == 1 else values for key, values in found.items()}


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def header_dict(environ: Environ) -> dict[str, str]:
    """Return the request's headers under their usual spelling: `X-Request-Id`."""
    found = {key[5:].replace("_", "-").title(): value for key, value in environ.items() if key.startswith("HTTP_")}
    for key, name in (("CONTENT_TYPE", "Content-Type"), ("CONTENT_LENGTH", "Content-Length")):
        if environ.get(key):
            found[name] = environ[key]
    return found

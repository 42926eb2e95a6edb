"""The saved transcripts of the real server, replayed against ours: equal but for what docs/serving.md lists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest

TRANSCRIPTS = Path(__file__).parents[3] / "shared" / "corpus" / "server"
pytestmark = pytest.mark.shared

ECHO = """
    import json, sys, time

    def init(): pass

    def run(raw):
        data = json.loads(raw)
        if "boom" in data: raise ValueError("boom")
        if "none" in data: return None
        if "str" in data: return "plain string"
        if "unser" in data: return object()
        if "exit" in data: sys.exit(1)
        if "sleep" in data: time.sleep(data["sleep"])
        return {"echo": data}
"""
SCHEMA = """
    import numpy as np
    import pandas as pd
    from inference_schema.schema_decorators import input_schema, output_schema
    from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
    from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
    from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType

    def init(): pass

    @input_schema("data", NumpyParameterType(np.array([[1.0, 2.0, 3.0]])))
    @input_schema("df", PandasParameterType(pd.DataFrame({"a": [1], "b": ["x"]})))
    @input_schema("flag", StandardPythonParameterType(True))
    @output_schema(StandardPythonParameterType({"sum": 6.0}))
    def run(data, df=None, flag=True):
        return {"sum": float(data.sum()), "type": str(type(data)), "dftype": str(type(df)), "flag": flag}
"""
# What we answer on purpose where the real server answers otherwise: title -> status. Each has its row in the document.
DIFFERENT = {
    "POST /score no content type json": 200,
    "POST /score with curl default content type (form-urlencoded) => body lost": 200,
    "schema default params omitted": 200,
    "schema wrong shape": 400,
}
# Errors of which the status stays and the message says more; bodies that have tests of their own, or none (HEAD).
REPLACED_ERRORS = ("unserializable object", "sys.exit in run")
OTHER_BODIES = (
    *REPLACED_ERRORS,
    "swagger.json",
    "version=3",
    "version=3.1",
    "swagger prefix",
    "schema swagger",
    "HEAD /",
)


class Exchange(NamedTuple):
    """One request of a transcript and its answer."""

    title: str
    command: list[str]
    status: int
    headers: dict[str, str]
    body: str


def exchanges(name: str) -> list[Exchange]:
    """Read a transcript. Answers are told apart by their Content-Length."""
    found = []
    for part in re.split(r"^### ", (TRANSCRIPTS / name).read_text(), flags=re.MULTILINE)[1:]:
        title, command, rest = part.split("\n", 2)
        head, _, body = rest.partition("\n\n")
        first, *lines = head.splitlines()
        headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", 0))
        found.append(
            Exchange(title, _arguments(command), int(first.split()[1]), headers, body.encode()[:length].decode())
        )
    return found


def _arguments(command: str) -> list[str]:
    """Read a command line as the shell that wrote it quoted it."""
    ansi = re.search(r"\$'((?:[^'\\]|\\.)*)'", command)
    plain = command if ansi is None else command.replace(ansi.group(0), "ANSI")
    words = shlex.split(plain[2:])[1:]
    value = ansi.group(1).encode().decode("unicode_escape") if ansi else ""
    return [value if word == "ANSI" else word for word in words]


def replay(service, arguments: list[str]) -> Any:
    """Send what a curl command line sends."""
    method, body, headers, path = "GET", None, {}, "/"
    words = iter(arguments)
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-I":
            method = "HEAD"
        elif word == "-H":
            name, _, value = next(words).partition(":")
            headers[name] = value.strip()
        elif word in ("-d", "--data-binary"):
            body = next(words).encode("latin-1")
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        elif word.startswith("http"):
            path = "/" + word.split("/", 3)[3]
    return service.request(method, path, body, headers)


def compare(service, exchange: Exchange) -> list[str]:
    """Return what differs, beyond ids that are made, the length of what differs, and names of servers."""
    response = replay(service, exchange.command)
    if exchange.title in DIFFERENT:
        return [] if response.status == DIFFERENT[exchange.title] else [f"{exchange.title}: {response.status}"]
    if _form_body_was_lost(exchange):
        return [] if response.headers["x-request-id"] else [f"{exchange.title}: no id"]
    return [f"{exchange.title}: {one}" for one in _differences(exchange, response)]


def _form_body_was_lost(exchange: Exchange) -> bool:
    """The real server lost these bodies; ours answers what its own later transcript shows for a JSON content type."""
    words = exchange.command
    return "-d" in words and "/score" in " ".join(words) and not any("Content-Type" in word for word in words)


def _differences(exchange: Exchange, response: Any) -> list[str]:
    found = []
    if response.status != exchange.status:
        found.append(f"status {response.status}, not {exchange.status}")
    for name in ("content-type", "x-ms-run-function-failed", "traceid", "access-control-allow-methods"):
        if name in exchange.headers and response.headers.get(name) != exchange.headers[name]:
            if exchange.title.endswith(REPLACED_ERRORS):
                continue
            found.append(f"{name}: {response.headers.get(name)!r}, not {exchange.headers[name]!r}")
    for name in ("x-request-id", "x-ms-request-id", "x-ms-client-request-id"):
        given = exchange.headers.get(name, "")
        if given and not re.fullmatch(r"[0-9a-f-]{36}", given) and response.headers.get(name) != given:
            found.append(f"{name}: {response.headers.get(name)!r}, not {given!r}")
    if not response.headers.get("x-request-id"):
        found.append("no x-request-id")
    body = response.content.decode().replace("'pandas.DataFrame'", "'pandas.core.frame.DataFrame'")  # pandas 3
    if not exchange.title.endswith(OTHER_BODIES) and body != exchange.body:
        found.append(f"body {body!r}, not {exchange.body!r}")
    return found


@pytest.mark.parametrize("name", ["01-basic.txt", "02-ids-content-types.txt"])
def test_plain_script(start, name):
    service = start(ECHO)
    different = [one for exchange in exchanges(name) for one in compare(service, exchange)]
    assert not different


def test_timeout_and_cors(start):
    service = start(
        ECHO,
        SCORING_TIMEOUT_MS="1000",
        AML_CORS_ORIGINS="http://a.example,http://b.example",
        SERVICE_PATH_PREFIX="/api/v1",
        SERVICE_NAME="mysvc",
        SERVICE_VERSION="7",
    )
    transcript = exchanges("03-timeout-cors.txt")
    assert not [one for exchange in transcript for one in compare(service, exchange)]
    for exchange in transcript:
        if any("Origin" in word for word in exchange.command):
            response = replay(service, exchange.command)
            allowed = "access-control-allow-origin"
            assert response.headers.get(allowed) == exchange.headers.get(allowed), exchange.title


def test_schema_script(start):
    pytest.importorskip("inference_schema")
    service = start(SCHEMA)
    assert not [one for exchange in exchanges("08-inference-schema.txt") for one in compare(service, exchange)]


def test_transcripts_are_read_completely():
    assert sum(len(exchanges(path.name)) for path in TRANSCRIPTS.glob("*.txt")) > 50

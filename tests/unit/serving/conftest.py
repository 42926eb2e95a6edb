"""Serve a script in this process: the WSGI application, without a server."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from envbuild.serving.app import Application
from envbuild.serving.script import load_script
from envbuild.serving.settings import Settings
from tests.support.process_state import unchanged_process


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["message"])


class Client:
    """Calls a WSGI application."""

    def __init__(self, application: Any) -> None:
        self.application = application

    def __call__(
        self, method: str, path: str, body: bytes | str = b"", headers: dict[str, str] | None = None, **environ: Any
    ) -> Reply:
        data = body.encode() if isinstance(body, str) else body
        path, _, query = path.partition("?")
        request = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(data)),
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "5001",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(data),
        }
        for name, value in (headers or {}).items():
            key = name.upper().replace("-", "_")
            request[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        seen: dict[str, Any] = {}

        def start_response(status: str, found: list[tuple[str, str]]) -> None:
            seen.update(status=int(status.split(maxsplit=1)[0]), headers={name.lower(): value for name, value in found})

        answer = b"".join(self.application({**request, **environ}, start_response))
        return Reply(seen["status"], seen["headers"], answer)

    def post(self, body: bytes | str = b"", headers: dict[str, str] | None = None, **environ: Any) -> Reply:
        return self("POST", "/score", body, headers, **environ)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Reply:
        return self("GET", path, headers=headers)


@pytest.fixture(autouse=True)
def _unchanged_process():
    """Undo what loading a script does to this process."""
    with unchanged_process():
        yield


@pytest.fixture
def load(tmp_path: Path):
    """Write score.py and load it: `load(text, **settings)` returns the script and the settings."""

    def write_and_load(text: str, **settings: Any):
        (tmp_path / "score.py").write_text(dedent(text))
        chosen = Settings(**{"app_root": tmp_path, "entry_script": "score.py", "access_log": False, **settings})
        return load_script(chosen), chosen

    return write_and_load


@pytest.fixture
def serve(load, caplog: pytest.LogCaptureFixture):
    """Serve a script: `serve(text, **settings)` returns a client."""
    caplog.set_level(logging.INFO)

    def serve_text(text: str, **settings: Any) -> Client:
        script, chosen = load(text, **settings)
        return Client(Application(chosen, script))

    return serve_text

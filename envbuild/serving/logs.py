"""Log lines: Azure's text format or JSON lines, with the id of the request that caused them."""

from __future__ import annotations

import contextvars
import io
import json
import logging
import logging.config
import os
import sys
import threading
import time
from typing import Any, NamedTuple

from .settings import Settings

LOGGER = logging.getLogger("azmlinfsrv")  # the name that a user's logging.json refers to
PRINTED = logging.getLogger("azmlinfsrv.print")
ACCESS = logging.getLogger("azmlinfsrv.access")
current_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")


class TextFormatter(logging.Formatter):
    """`2026-11-21 09:00:00,123 I [42] azmlinfsrv - message`, in UTC."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        """Use Azure's layout."""
        super().__init__("%(asctime)s %(levelname).1s [%(process)d] %(name)s - %(message)s")


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record and its traceback, if any."""
        line = {
            "time": _timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if current_id.get():
            line["request_id"] = current_id.get()
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure(settings: Settings) -> None:
    """Set logging up: logging.json of the user where there is one, else one handler on standard error."""
    handler = logging.StreamHandler(sys.__stderr__)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=settings.log_level, force=True)
    custom = _custom_file(settings)
    if custom is not None:
        logging.config.dictConfig(json.loads(custom.read_text(encoding="utf-8")))
    sys.stdout = PrintedText()


def _custom_file(settings: Settings) -> Any:
    places = (settings.app_root / "logging.json", settings.script_path.parent / "logging.json")
    return next((place for place in places if settings.entry_script and place.is_file()), None)


class PrintedText(io.TextIOBase):
    """Standard output of scripts: each line that is printed becomes a log line."""

    def __init__(self) -> None:
        """Begin with an empty line."""
        super().__init__()
        self._line = threading.local()  # print() writes text and line end apart; threads must not mix theirs

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def fileno(self) -> int:
        """Return the real standard output, for programs that the script starts."""
        return 1

    def write(self, text: str) -> int:
        """Log every complete line."""
        *lines, self._line.rest = (getattr(self._line, "rest", "") + text).split("\n")
        for line in lines:
            PRINTED.info("%s", line)
        return len(text)

    def flush(self) -> None:
        """Log what has no line end yet."""
        rest = getattr(self._line, "rest", "")
        if rest:
            self._line.rest = ""
            PRINTED.info("%s", rest)


def _timestamp(seconds: float) -> str:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{moment}.{int(seconds % 1 * 1000):03d}Z"


class Access(NamedTuple):
    """One answered request. `seconds` is the time from its headers to its answer."""

    environ: dict[str, Any]
    status: int
    size: int
    seconds: float
    request_id: str

    @property
    def message(self) -> str:
        """The line without its head; the path cannot forge a line of its own."""
        path = self.environ["PATH_INFO"]
        if not (path.isascii() and path.isprintable()):
            path = ascii(path)[1:-1]
        method = self.environ["REQUEST_METHOD"]
        return f"{method} {path} {self.status} {self.size} {self.seconds * 1000:.3f}ms {self.request_id}"


class AccessLog:
    """A line for each request, written straight to standard error: the logging module would cost a third of a request.

    Where the user's logging.json sets up the access logger, lines go through it instead.
    """

    def __init__(self, settings: Settings) -> None:
        """Choose the way once."""
        self._line = self._json_line if settings.log_format == "json" else self._text_line
        self._custom = _custom_file(settings) is not None
        self._least = getattr(logging, settings.log_level) if settings.access_log else logging.CRITICAL
        self._process = os.getpid()
        self._second = 0
        self._stamp = ""

    def write(self, access: Access) -> None:
        """Log one answer: a warning from 400 on, an error from 500 on."""
        level = logging.INFO if access.status < 400 else logging.WARNING if access.status < 500 else logging.ERROR
        if level < self._least:
            return
        if self._custom:
            ACCESS.log(level, "%s", access.message)
            return
        try:
            os.write(2, self._line(level, access).encode("utf-8", "replace"))
        except OSError:  # a closed or full pipe must not fail the request
            return

    def _text_line(self, level: int, access: Access) -> str:
        now = time.time()
        if int(now) != self._second:
            self._stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
            self._second = int(now)
        letter = "I" if level == logging.INFO else "W" if level == logging.WARNING else "E"
        head = f"{self._stamp},{int(now % 1 * 1000):03d} {letter} [{self._process}] azmlinfsrv.access"
        return f"{head} - {access.message}\n"

    def _json_line(self, level: int, access: Access) -> str:
        line = {
            "time": _timestamp(time.time()),
            "level": logging.getLevelName(level),
            "logger": "azmlinfsrv.access",
            "process": self._process,
            "message": "request",
            "method": access.environ["REQUEST_METHOD"],
            "path": access.environ["PATH_INFO"],
            "status": access.status,
            "bytes": access.size,
            "duration_ms": round(access.seconds * 1000, 3),
            "request_id": access.request_id,
            "client": access.environ.get("REMOTE_ADDR", ""),
        }
        return json.dumps(line) + "\n"

"""The WSGI application: one for each process, whatever server carries it."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Iterable, List, Tuple

from . import __version__, page
from .answers import Answer, answer_of, error_answer, status_line
from .auth import Gate
from .bodies import BodyReader
from .call import make_call
from .cors import origin_headers, preflight_headers
from .deadline import DirectCaller, ScoringTimeout, TimedCaller
from .failures import RequestError
from .identity import Identity, id_maker
from .logs import LOGGER, Access, AccessLog, current_id
from .recording import Recorder
from .schema import MismatchError, read_schema
from .script import Script, report_of
from .settings import Settings
from .swagger import SwaggerDocuments

Environ = Dict[str, Any]
StartResponse = Callable[..., Any]
Handler = Callable[[Environ], Tuple[Answer, List[Tuple[str, str]]]]
_TEXT = (("Content-Type", "text/html; charset=utf-8"),)
_HEALTHY = Answer(200, b"Healthy", _TEXT)
_FAILED = ("x-ms-run-function-failed", "True")
_NOT_FAILED = ("x-ms-run-function-failed", "False")
_NOTHING: list[tuple[str, str]] = []


class Application:
    """Answers requests by calling the script. Built in each worker, after init()."""

    def __init__(self, settings: Settings, script: Script) -> None:
        """Take the settings and the script whose init() has run.

        Raises:
            StartupError: when run() cannot be called in any of the known ways.
        """
        self._settings = settings
        self._script = script
        self.bodies = BodyReader(settings.max_body_bytes, settings.read_timeout_s)
        self._recorder = Recorder(settings.request_log, settings.service_name) if settings.request_log else None
        read = self.bodies.read
        self._call = make_call(script, self._recorder.reading(read) if self._recorder else read)
        limit = settings.scoring_timeout_ms
        self._caller = TimedCaller(settings.threads, limit) if limit else DirectCaller(settings.threads)
        self._gate = Gate(settings.auth_keys_file, settings.token_secret_file, settings.service_name)
        self._swagger = SwaggerDocuments(settings, read_schema(script), script.example and script.example())
        self._origins = settings.cors_origins
        self._make_id = id_maker()
        self._access = AccessLog(settings)
        self._version = [("x-ms-server-version", f"envbuild/{__version__}")] if settings.send_version else []
        self._routes = self._make_routes()

    def _make_routes(self) -> dict[str, dict[str, Handler]]:
        score: dict[str, Handler] = {"POST": self._score, "GET": self._score, "OPTIONS": self._options}
        routes: dict[str, dict[str, Handler]] = {
            "/score": score,
            "/": {"GET": self._health, "HEAD": self._health, "OPTIONS": self._options},
            "/swagger.json": {"GET": self._describe, "HEAD": self._describe, "OPTIONS": self._options},
        }
        if self._settings.try_page:
            routes["/try"] = {"GET": self._try, "HEAD": self._try}
        prefix = self._settings.path_prefix
        return {**routes, **{prefix + path: handlers for path, handlers in routes.items()}}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        started = time.perf_counter()
        identity = Identity(environ, self._make_id)
        token = current_id.set(identity.request_id)
        try:
            answer, extra = self._respond(environ, identity)
        finally:
            current_id.reset(token)
        body = answer.body
        headers = [
            *answer.headers,
            ("Content-Length", str(len(body))),
            _FAILED if answer.run_failed else _NOT_FAILED,
            *extra,
            *self._version,
            *identity.headers,
        ]
        if self._origins:
            headers += origin_headers(environ, self._origins)
        start_response(status_line(answer.status), headers)
        is_probe = answer is _HEALTHY
        if not is_probe:
            spent = time.perf_counter() - started
            self._access.write(Access(environ, answer.status, len(body), spent, identity.request_id))
            if self._recorder is not None and environ["PATH_INFO"].endswith("/score"):
                self._recorder.write(environ, answer, spent, identity.request_id)
        return [body] if environ["REQUEST_METHOD"] != "HEAD" else []

    def _respond(self, environ: Environ, identity: Identity) -> tuple[Answer, list[tuple[str, str]]]:
        try:
            identity.check()
            return self._handler(environ)(environ)
        except RequestError as refusal:
            if refusal.run_failed:
                LOGGER.error("%s", refusal.message)
            return error_answer(
                refusal.status, refusal.message, refusal.headers, run_failed=refusal.run_failed
            ), _NOTHING
        except Exception:  # noqa: BLE001 - the last resort: the request fails, the worker lives
            LOGGER.exception("a defect of the server, please report it")
            return error_answer(500, "An unexpected internal error occurred. Check the logs for more info."), _NOTHING

    def _handler(self, environ: Environ) -> Handler:
        handlers = self._routes.get(environ["PATH_INFO"])
        if handlers is None:
            raise RequestError(
                404,
                "The requested URL was not found on the server. "
                "If you entered the URL manually please check your spelling and try again.",
            )
        handler = handlers.get(environ["REQUEST_METHOD"])
        if handler is None:
            allowed = ("Allow", ", ".join(sorted(handlers)))
            raise RequestError(405, "The method is not allowed for the requested URL.", [allowed])
        return handler

    def _score(self, environ: Environ) -> tuple[Answer, list[tuple[str, str]]]:
        if self._gate.is_closed:
            self._gate.check(environ)
        arguments = self._call.arguments(environ)
        started = time.perf_counter()
        result = self._run(arguments)
        spent = (time.perf_counter() - started) * 1000
        return answer_of(result), [("x-ms-run-fn-exec-ms", f"{spent:.3f}")]

    def _run(self, arguments: dict[str, Any]) -> Any:
        """Call run(); whatever it raises, SystemExit too, costs this request only."""
        try:
            return self._caller.call(self._call.run, arguments)
        except RequestError:
            raise
        except MismatchError as error:
            raise RequestError(400, str(error)) from None
        except (Exception, SystemExit, KeyboardInterrupt, ScoringTimeout) as error:  # noqa: BLE001
            LOGGER.error("run() raised an exception\n%s", report_of(error, self._settings.script_path))
            message = "An unexpected error occurred in scoring script. Check the logs for more info."
            raise RequestError(500, message, run_failed=True) from None

    def _options(self, environ: Environ) -> tuple[Answer, list[tuple[str, str]]]:
        if environ["PATH_INFO"].endswith("/score") and self._script.is_raw and not self._origins:
            return self._score(environ)
        return Answer(200, b"", _TEXT), preflight_headers(environ, self._origins)

    def _health(self, environ: Environ) -> tuple[Answer, list[tuple[str, str]]]:
        del environ
        return _HEALTHY, _NOTHING

    def _describe(self, environ: Environ) -> tuple[Answer, list[tuple[str, str]]]:
        from urllib.parse import parse_qs

        version = parse_qs(environ.get("QUERY_STRING", "")).get("version", ["2"])[-1]
        return Answer(200, self._swagger.read(version)), _NOTHING

    def _try(self, environ: Environ) -> tuple[Answer, list[tuple[str, str]]]:
        del environ
        return Answer(200, page.TRY_PAGE, page.HEADERS), _NOTHING

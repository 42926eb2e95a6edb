"""The table of options: one row each for the command line, the environment, config.json and the documentation."""

from __future__ import annotations

import re
from typing import Any, Callable, NamedTuple


class Option(NamedTuple):
    """One setting: its name in Settings, the variables (and config.json keys) that set it, how it is read."""

    name: str
    variables: tuple[str, ...]
    parse: Callable[[str], Any]
    help: str

    @property
    def flag(self) -> str:
        """The option on the command line."""
        return "--" + self.name.replace("_", "-")


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a parser for a whole number in `low`..`high`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,15}", text.strip()) or not low <= int(text) <= high:
            raise ValueError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def boolean(text: str) -> bool:
    """Read true or false, in the spellings that people use in variables."""
    word = text.strip().lower()
    if word in ("true", "1", "yes", "on"):
        return True
    if word in ("false", "0", "no", "off"):
        return False
    raise ValueError(f"{text!r} is not true or false")


def one_of(*words: str) -> Callable[[str], str]:
    """Return a parser that takes one of `words`."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is not one of {', '.join(words)}")
        return text

    return parse


def origins(text: str) -> tuple[str, ...]:
    """Read origins separated by commas; `*` means any."""
    found = tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    for origin in found:
        if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^\s/,\"']+|null", origin):
            raise ValueError(f"{origin!r} is not an origin such as https://app.example, nor *")
    return found


def level(text: str) -> str:
    """Read the name of a level of the logging module."""
    return one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")(text.upper())


def prefix(text: str) -> str:
    """Read a path prefix: `/api/v1`, without a slash at its end."""
    path = "/" + text.strip("/")
    if not re.fullmatch(r"/[A-Za-z0-9._~/-]*", path):
        raise ValueError(f"{text!r} is not a URL path")
    return path.rstrip("/")


FRAMEWORKS = ("scikit-learn", "onnx", "tensorflow", "mlflow")

OPTIONS = (
    Option(
        "entry_script", ("AZUREML_ENTRY_SCRIPT",), str, "the script with init() and run(), below the application root"
    ),
    Option("source_directory", ("AZUREML_SOURCE_DIRECTORY",), str, "folder below the application root to import from"),
    Option("framework", ("ENVBUILD_FRAMEWORK",), one_of(*FRAMEWORKS), "serve the model itself, without a script"),
    Option("routes", ("ENVBUILD_ROUTES",), str, "pass requests on to the deployments in this JSON file; no script"),
    Option("model_dir", ("AZUREML_MODEL_DIR",), str, "folder of the model, or of all models"),
    Option("host", ("ENVBUILD_HOST",), str, "address to listen on (0.0.0.0)"),
    Option("port", ("SERVER_PORT",), integer(1, 65535), "port to listen on (5001)"),
    Option("workers", ("WORKER_COUNT",), integer(1, 256), "processes (1)"),
    Option("threads", ("ENVBUILD_THREADS",), integer(1, 1024), "calls of run() at one time in each process (1)"),
    Option(
        "server", ("ENVBUILD_SERVER",), one_of("auto", "granian", "stdlib"), "HTTP server (auto: granian if installed)"
    ),
    Option("scoring_timeout_ms", ("SCORING_TIMEOUT_MS",), integer(0, 86_400_000), "limit of one run(); 0: none (0)"),
    Option("read_timeout_s", ("ENVBUILD_READ_TIMEOUT",), integer(1, 3600), "limit for a request to arrive (30)"),
    Option(
        "answer_timeout_s",
        ("ENVBUILD_ANSWER_TIMEOUT",),
        integer(0, 86_400),
        "with --routes: longest wait for a deployment; 0: none (300)",
    ),
    Option("stop_timeout_s", ("ENVBUILD_STOP_TIMEOUT",), integer(1, 3600), "patience when stopping (30)"),
    Option("max_body_bytes", ("ENVBUILD_MAX_BODY",), integer(1, 10**12), "largest request body (104857600)"),
    Option("cors_origins", ("AML_CORS_ORIGINS",), origins, "origins that browsers may call from, or *"),
    Option("auth_keys_file", ("ENVBUILD_AUTH_KEYS_FILE",), str, "file of keys, one a line; /score then needs one"),
    Option("token_secret_file", ("ENVBUILD_TOKEN_SECRET_FILE",), str, "file of secrets for HS256 tokens, one a line"),
    Option("tls_cert", ("ENVBUILD_TLS_CERT",), str, "certificate chain (PEM)"),
    Option("tls_key", ("ENVBUILD_TLS_KEY",), str, "private key (PEM)"),
    Option("log_format", ("ENVBUILD_LOG_FORMAT",), one_of("text", "json"), "text, as Azure's, or JSON lines (text)"),
    Option("log_level", ("AZUREML_LOG_LEVEL",), level, "least level that is logged (INFO)"),
    Option("access_log", ("ENVBUILD_ACCESS_LOG",), boolean, "a line for each request (true)"),
    Option(
        "request_log",
        ("ENVBUILD_REQUEST_LOG",),
        str,
        "file of JSON lines (-: the log): each scored request, its body, its answer",
    ),
    Option("send_version", ("SERVER_VERSION_LOG_RESPONSE_ENABLED",), boolean, "send x-ms-server-version (true)"),
    Option("try_page", ("ENVBUILD_TRY_PAGE",), boolean, "a page at /try to call the service from a browser (true)"),
    Option("service_name", ("SERVICE_NAME",), str, "title in swagger.json (ML service)"),
    Option("service_version", ("SERVICE_VERSION",), str, "version in swagger.json (1.0)"),
    Option("path_prefix", ("SERVICE_PATH_PREFIX",), prefix, "path that a proxy puts before ours"),
    Option("config_file", ("AZUREML_CONFIG_FILE",), str, "JSON file of settings (config.json)"),
    Option("reload", ("ENVBUILD_RELOAD",), boolean, "start again when a file changes; for development (false)"),
)

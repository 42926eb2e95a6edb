"""What the server can be told: on the command line, in the environment, or in config.json, in that order of weight."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from .failures import SettingsError
from .options import OPTIONS, Option


@dataclass(frozen=True)
class Settings:
    """One server's settings, complete and checked. Durations are in the unit that the name says."""

    app_root: Path
    entry_script: str = ""
    source_directory: str = ""
    framework: str = ""
    routes: str = ""
    model_dir: str = ""
    host: str = "0.0.0.0"  # noqa: S104 - the image's port is published by whoever runs it
    port: int = 5001
    workers: int = 1
    threads: int = 1
    server: str = "auto"
    scoring_timeout_ms: int = 0
    read_timeout_s: int = 30
    answer_timeout_s: int = 300
    stop_timeout_s: int = 30
    max_body_bytes: int = 100 * 1024 * 1024
    cors_origins: tuple[str, ...] = ()
    auth_keys_file: str = ""
    token_secret_file: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    log_format: str = "text"
    log_level: str = "INFO"
    access_log: bool = True
    request_log: str = ""
    send_version: bool = True
    try_page: bool = True
    service_name: str = "ML service"
    service_version: str = "1.0"
    path_prefix: str = ""
    config_file: str = ""
    reload: bool = False

    @property
    def script_path(self) -> Path:
        """Where the scoring script is; relative to the application root."""
        return self.app_root / self.entry_script


def read_settings(given: Mapping[str, str], environ: Mapping[str, str], cwd: Path) -> Settings:
    """Merge the command line's values (`given`), the environment and config.json into settings.

    Raises:
        SettingsError: with every problem found.
    """
    root = cwd / (environ.get("AML_APP_ROOT") or "")
    problems: list[str] = []
    config = _read_config(_config_path(given, environ, root), problems)
    values: dict[str, Any] = {"app_root": root}
    for option in OPTIONS:
        found = _find(option, given, environ, config)
        if found is not None:
            _parse(option, found, values, problems)
    if not problems:
        settings = Settings(**values)
        problems += _contradictions(settings)
        if not problems:
            return settings
    raise SettingsError(problems)


def _config_path(given: Mapping[str, str], environ: Mapping[str, str], root: Path) -> Path:
    """Find config.json: named, else in the application root, else beside the scoring script."""
    named = given.get("config_file") or environ.get("AZUREML_CONFIG_FILE")
    if named:
        return root / named
    entry = given.get("entry_script") or environ.get("AZUREML_ENTRY_SCRIPT") or ""
    in_root = root / "config.json"
    return in_root if in_root.is_file() else (root / entry).parent / "config.json"


def _read_config(path: Path, problems: list[str]) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problems.append(f"{path}: not readable as JSON: {error}")
        return {}
    if not isinstance(found, dict):
        problems.append(f"{path}: a JSON object is expected, found {type(found).__name__}")
        return {}
    return found


def _find(
    option: Option, given: Mapping[str, str], environ: Mapping[str, str], config: Mapping[str, Any]
) -> tuple[str, str] | None:
    """Return the name under which a value was found, and the value; the first of flag, variable, file."""
    if option.name in given:
        return option.flag, given[option.name]
    for variable in option.variables:
        if environ.get(variable):
            return variable, environ[variable]
    for variable in option.variables:
        if variable in config and config[variable] is not None:
            return f"config.json: {variable}", str(config[variable])
    return None


def _parse(option: Option, found: tuple[str, str], values: dict[str, Any], problems: list[str]) -> None:
    origin, text = found
    try:
        values[option.name] = option.parse(text)
    except ValueError as error:
        problems.append(f"{origin}: {error}")


def _contradictions(settings: Settings) -> list[str]:
    problems = []
    if bool(settings.tls_cert) != bool(settings.tls_key):
        problems.append("--tls-cert and --tls-key: both are needed for TLS, or neither")
    for name in ("auth_keys_file", "token_secret_file", "tls_cert", "tls_key"):
        path = getattr(settings, name)
        if path and not os.access(path, os.R_OK):
            problems.append(f"--{name.replace('_', '-')}: {path} is not a readable file")
    if sum(map(bool, (settings.entry_script, settings.framework, settings.routes))) > 1:
        problems.append("--entry-script, --framework, --routes: one of them, not both")
    if not (settings.entry_script or settings.framework or settings.routes):
        problems.append("--entry-script (or AZUREML_ENTRY_SCRIPT): name the script with init() and run()")
    return problems

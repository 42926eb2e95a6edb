"""The configuration of an assembled image: what the Dockerfile's last instructions would have made of the base's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from envbuild.context import EPOCH
from envbuild.core.names import is_variable
from envbuild.core.plan import PREFIX, Plan

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SECOND = 1_000_000_000
_KEPT = ("architecture", "author", "os", "os.features", "os.version", "variant")


def image_config(plan: Plan, base: Mapping[str, Any], layers: Sequence[tuple[str, str]], created: int) -> bytes:
    """Return the image's configuration over the base's; `layers` are pairs of diff_id and what the layer holds.

    `created` is in seconds since 1970.
    """
    rootfs = base.get("rootfs") or {}
    below = list(rootfs.get("diff_ids") or ())
    when = datetime.fromtimestamp(created, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = [{"created": when, "created_by": f"envbuild: {title}"} for _, title in layers]
    settings = {"created": when, "created_by": "envbuild: variables, user, command, labels", "empty_layer": True}
    document = {
        **{name: base[name] for name in _KEPT if base.get(name)},
        "created": when,
        "config": _runtime(plan, base.get("config") or {}),
        "rootfs": {"type": "layers", "diff_ids": [*below, *(diff_id for diff_id, _ in layers)]},
        "history": [*_history(base, len(below)), *said, settings],
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def creation_time(environ: Mapping[str, str]) -> int:
    """Return when the image says that it was made: `SOURCE_DATE_EPOCH`, else a fixed time."""
    said = environ.get("SOURCE_DATE_EPOCH", "")
    return int(said) if said.isdecimal() and len(said) < 12 else EPOCH


def health_command(plan: Plan) -> tuple[str, ...]:
    """Return the command that asks the image's service for its health, as the Dockerfile's HEALTHCHECK has it."""
    if not (plan.config.health and plan.config.port):
        return ()
    managed = f"{PREFIX}/bin/python"
    python = (plan.definition.interpreter_path or "python") if plan.definition.user_managed else managed
    url = f"http://127.0.0.1:{plan.config.port}{plan.config.health}"
    return (python, "-c", f"import urllib.request; urllib.request.urlopen({url!r}, timeout=4)")


def _runtime(plan: Plan, base: Mapping[str, Any]) -> dict[str, Any]:
    config = plan.config
    made = {name: value for name, value in base.items() if value not in (None, "", [], {})}
    made["Env"] = _environment(plan, base.get("Env") or ())
    made["Labels"] = {**(base.get("Labels") or {}), **dict(config.labels)}
    if config.workdir:
        made["WorkingDir"] = config.workdir
    if config.port:
        made["ExposedPorts"] = {**(base.get("ExposedPorts") or {}), f"{config.port}/tcp": {}}
    if command := health_command(plan):
        made["Healthcheck"] = {
            "Test": ["CMD", *command],
            "Interval": 30 * _SECOND,
            "Timeout": 5 * _SECOND,
            "StartPeriod": 60 * _SECOND,
            "Retries": 3,
        }
    if config.user:
        made["User"] = config.user
    if config.command:
        made.pop("Entrypoint", None)
        made["Cmd"] = list(config.command)
    return {name: value for name, value in made.items() if value != {}}


def _environment(plan: Plan, base: Sequence[str]) -> list[str]:
    values = dict(text.partition("=")[::2] for text in base)
    if plan.path_prefix and "PATH" not in dict(plan.config.variables):
        values["PATH"] = f"{plan.path_prefix}:{values.get('PATH') or _DEFAULT_PATH}"
    values |= {name: value for name, value in plan.config.variables if is_variable(name)}
    return [f"{name}={value}" for name, value in values.items()]


def _history(base: Mapping[str, Any], layers: int) -> list[Mapping[str, Any]]:
    """Return the base's history, completed so that it accounts for each of its layers."""
    known: list[Mapping[str, Any]] = [one for one in base.get("history") or () if isinstance(one, dict)]
    unsaid = layers - sum(not one.get("empty_layer") for one in known)
    return known if unsaid == 0 else [{"created_by": "base image"}] * layers

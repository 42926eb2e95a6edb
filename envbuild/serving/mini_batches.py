"""Score files instead of requests: mini-batches come as lines of JSON on standard input, results leave as lines of JSON.

In:  {"files": ["/path", …]}                      one mini-batch
Out: {"ready": true} once, after init(); then for each {"rows": ["text", …], "count": 2} or {"error": "traceback"}
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import IO, Any, Iterable

from .failures import SettingsError, StartupError
from .script import Script, load_script, report_of
from .settings import Settings, read_settings


def main() -> int:
    """Serve standard input until it ends; what the script prints goes to standard error. Exit code 3: it cannot be used."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        settings = read_settings({}, os.environ, Path.cwd())
        script = load_script(settings)
    except (SettingsError, StartupError) as error:
        _say(answers, {"error": f"{getattr(error, 'report', '')}{error}"})
        return 3
    _say(answers, {"ready": True})
    for line in sys.stdin:
        _say(answers, _scored(script, settings, json.loads(line)["files"]))
    return 0


def _scored(script: Script, settings: Settings, files: list[str]) -> dict[str, Any]:
    try:
        rows = list(rows_of(_run(script, settings, files)))
    except BaseException as error:  # noqa: BLE001 - SystemExit of a script fails a mini-batch like any other
        return {"error": report_of(error, settings.script_path)}
    return {"rows": rows, "count": len(rows)}


def _run(script: Script, settings: Settings, files: list[str]) -> Any:
    if settings.framework:
        # a model without a script takes a request; each file holds one
        return [json.dumps(script.run(Path(one).read_text(encoding="utf-8"))) for one in files]
    return script.run(files)


def rows_of(result: Any) -> Iterable[str]:
    """Return what run() gave as lines: a DataFrame's rows with a space between the values, as Azure writes them.

    Raises:
        TypeError: it is neither a DataFrame nor a list.
    """
    if result is None:
        return []
    if hasattr(result, "to_csv") and hasattr(result, "columns"):
        return result.to_csv(header=False, index=False, sep=" ").splitlines()  # type: ignore[no-any-return]
    if isinstance(result, (str, bytes, dict)) or not hasattr(result, "__iter__"):
        raise TypeError(f"run(mini_batch) returned {type(result).__name__}; a list or a DataFrame is needed")
    return [str(one) for one in result]


def _say(answers: IO[str], value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()

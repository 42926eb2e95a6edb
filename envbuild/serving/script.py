"""Load the scoring script, run its init(), and say precisely what is wrong when either fails."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, NamedTuple

from .drivers import load_driver
from .failures import StartupError
from .settings import Settings
from .shim import install as install_shim

MODULE_NAME = "service_driver"  # the name under which Azure's own driver loads the script


class Script(NamedTuple):
    """A script whose init() has run: what scores, and what run() takes."""

    name: str
    run: Callable[..., Any]
    parameters: tuple[inspect.Parameter, ...]
    takes_headers: bool
    is_raw: bool
    example: Callable[[], Any] | None = None


def load_script(settings: Settings) -> Script:
    """Import the script, call init() and inspect run().

    Raises:
        StartupError: with the script's own traceback, when any of it fails.
    """
    _prepare_environment(settings)
    if settings.framework:
        module, name = load_driver(settings.framework), f"the {settings.framework} driver"
    else:
        module, name = _import_script(settings.script_path), settings.script_path.name
    init = _function(module, "init", name)
    run = _function(getattr(module, "driver_module", module), "run", name)
    script = _inspect(run, name)
    _guarded(init, f"init() of {name}", settings.script_path)
    return script._replace(example=getattr(module, "example", None)) if settings.framework else script


def _prepare_environment(settings: Settings) -> None:
    """Set the variables that scripts read, the import path, and the documented import names."""
    os.environ["AML_APP_ROOT"] = str(settings.app_root)
    if settings.model_dir:
        os.environ["AZUREML_MODEL_DIR"] = settings.model_dir
    folders = [settings.app_root, settings.app_root / settings.source_directory]
    if settings.entry_script:
        os.environ["AZUREML_ENTRY_SCRIPT"] = settings.entry_script
        folders.append(settings.script_path.parent)
    for folder in map(str, folders):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    install_shim()


def _import_script(path: Path) -> ModuleType:
    if not path.is_file():
        raise StartupError(f"the scoring script {path} does not exist (AML_APP_ROOT and AZUREML_ENTRY_SCRIPT name it)")
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise StartupError(f"the scoring script {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE_NAME] = module
    loader = spec.loader
    _guarded(lambda: loader.exec_module(module), f"importing {path.name}", path)
    return module


def _function(module: ModuleType, name: str, script: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if not callable(found):
        raise StartupError(f"{script} has no {name}(): a scoring script defines init() and run(data)")
    function: Callable[..., Any] = found
    return function


def _guarded(step: Callable[[], Any], what: str, path: Path) -> None:
    """Run one step of the script; turn whatever it raises into a StartupError that shows the script's lines."""
    try:
        step()
    except BaseException as error:  # SystemExit and KeyboardInterrupt of a script are failures like any other
        raise StartupError(f"{what} failed{_place(error, path)}: {_summary(error)}", report_of(error, path)) from error


def _summary(error: BaseException) -> str:
    return traceback.format_exception_only(type(error), error)[-1].strip()


def _place(error: BaseException, path: Path) -> str:
    """Name the last line of the script that was being executed."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f" at line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f" at line {lines[-1]}" if lines else ""


def report_of(error: BaseException, path: Path) -> str:
    """Return the traceback from the script's first frame on; all of it when the script has none."""
    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename != str(path):
        tb = tb.tb_next
    return "".join(traceback.format_exception(type(error), error, tb or error.__traceback__))


def _inspect(run: Callable[..., Any], name: str) -> Script:
    """Read the signature of run(), and refuse one that cannot be called with named arguments."""
    parameters = tuple(inspect.signature(run).parameters.values())
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise StartupError(f"run() of {name}: {parameter} cannot be passed by name; use plain parameters")
    takes_headers = any(parameter.name == "request_headers" for parameter in parameters)
    data = tuple(parameter for parameter in parameters if parameter.name != "request_headers")
    if not data:
        raise StartupError(f"run() of {name} has no parameter for the data: write run(data)")
    if inspect.iscoroutinefunction(inspect.unwrap(run)):
        raise StartupError(f"run() of {name} is a coroutine (async def); write it as a plain function")
    return Script(name, run, data, takes_headers, is_raw=bool(getattr(run, "__rawhttp__", False)))

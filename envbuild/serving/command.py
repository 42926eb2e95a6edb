"""The command line of the server."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from . import __version__, fast_server, logs
from .app import Application
from .failures import SettingsError, StartupError
from .options import OPTIONS
from .reload import serve_with_reload
from .router import THREADS, Router
from .routes import RoutesError
from .script import load_script
from .settings import Settings, read_settings

USAGE_EXIT_CODE = 2


def main(arguments: list[str]) -> int:
    """Run the server; return its exit code: 0 stopped, 1 the address is taken, 2 wrong settings, 3 the script fails."""
    try:
        settings = read_settings(parse_arguments(arguments), os.environ, Path.cwd())
    except SettingsError as error:
        for problem in error.problems:
            sys.stderr.write(f"error: {problem}\n")
        return USAGE_EXIT_CODE
    logs.configure(settings)
    if settings.reload:
        return serve_with_reload(partial(serve, settings), settings.app_root)
    return serve(settings)


def parse_arguments(arguments: list[str]) -> dict[str, str]:
    """Return the options that were given, by their names in Settings. `--entry_script` is `--entry-script`."""
    parser = argparse.ArgumentParser(
        prog="serving", description="Serve a scoring script over HTTP.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"envbuild serving {__version__}")
    for option in OPTIONS:
        spellings = [option.flag] if "_" not in option.name else [option.flag, "--" + option.name]
        if option.name == "workers":
            spellings.append("--worker_count")
        text = f"{option.help} [{', '.join(option.variables)}]"
        parser.add_argument(*spellings, dest=option.name, metavar="VALUE", help=text.replace("%", "%%"))
    return {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}


def serve(settings: Settings) -> int:
    """Serve with the server that the settings ask for; return the exit code."""
    use_granian = settings.server == "granian" or (settings.server == "auto" and fast_server.is_available())
    name = "granian" if use_granian else "the standard library's server"
    scheme = "https" if settings.tls_cert else "http"
    logs.LOGGER.info("starting with %s on %s://%s:%d", name, scheme, settings.host, settings.port)
    if settings.routes:
        settings = replace(settings, threads=THREADS)  # a request that is passed on waits, and computes nothing
    load = partial(load_router if settings.routes else load_application, settings)
    try:
        if use_granian:
            return fast_server.serve(settings, load)
        from . import plain_server

        return plain_server.serve(settings, load)
    except (OSError, RuntimeError) as error:
        logs.LOGGER.error("cannot listen on %s:%d: %s", settings.host, settings.port, error)
        return 1


def load_application(settings: Settings) -> Any | None:
    """Load the script in a worker. When it fails, log the reason with the script's traceback and return None."""
    started = time.perf_counter()
    try:
        application = Application(settings, load_script(settings))
    except StartupError as error:
        logs.LOGGER.error("%s", f"{error.report}{error}" if error.report else error)
        return None
    except OSError as error:
        logs.LOGGER.error("--request-log: %s", error)
        return None
    name = settings.framework or settings.entry_script
    logs.LOGGER.info("%s is ready after %.2f s", name, time.perf_counter() - started)
    return application


def load_router(settings: Settings) -> Any | None:
    """Make the router in a worker. When the file of routes cannot be used, log the reason and return None."""
    try:
        return Router(settings)
    except (RoutesError, OSError) as error:
        logs.LOGGER.error("%s", error)
        return None

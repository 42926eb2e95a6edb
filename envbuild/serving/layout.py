"""The files and variables of Azure's image layout: what a package writes so that this server finds its script."""

from __future__ import annotations

from typing import Sequence

APP_ROOT = "/var/azureml-app"
PORT = 5001


def driver_source(entry_script: str) -> str:
    """Return the text of `main.py`: init() and run() of the script, for servers that load a driver.

    `entry_script` is the path of the user's script relative to `main.py`, with forward slashes.
    """
    return _DRIVER.format(entry_script=entry_script)


def environment(entry_script: str, source_directory: str, models: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the variables of the image for a script and its models, each a name and a version."""
    found = {"AML_APP_ROOT": APP_ROOT, "AZUREML_ENTRY_SCRIPT": entry_script}
    if source_directory:
        found["AZUREML_SOURCE_DIRECTORY"] = source_directory
    folder = f"{APP_ROOT}/azureml-models"
    found["AZUREML_MODEL_DIR"] = f"{folder}/{models[0][0]}/{models[0][1]}" if len(models) == 1 else folder
    return found


def command(python: str, server_folder: str) -> tuple[str, ...]:
    """Return the command line that starts the server from the folder that it was copied to."""
    return (python, server_folder, "--port", str(PORT))


_DRIVER = '''"""Driver of the service: hands init() and run() of the scoring script to the server."""

import importlib.util
import inspect
import os
import sys

_folder = os.path.dirname(os.path.abspath(__file__))
_path = os.path.join(_folder, *{entry_script!r}.split("/"))
for _place in (_folder, os.path.join(_folder, os.environ.get("AZUREML_SOURCE_DIRECTORY", "")), os.path.dirname(_path)):
    if _place not in sys.path:
        sys.path.insert(0, _place)

_spec = importlib.util.spec_from_file_location("service_driver", _path)
driver_module = importlib.util.module_from_spec(_spec)
sys.modules["service_driver"] = driver_module
_spec.loader.exec_module(driver_module)
_takes_headers = "request_headers" in inspect.signature(driver_module.run).parameters


def init():
    driver_module.init()


def run(http_body, request_headers):
    if _takes_headers:
        return driver_module.run(http_body, request_headers=request_headers)
    return driver_module.run(http_body)
'''

"""The documents' code: every import of every block is answered, every command line is understood."""

import re
import shlex
from importlib import import_module

import pytest

from envbuild.cli.main import parser
from tests.conftest import SHARED

pytestmark = pytest.mark.shared
BLOCK = re.compile(r"^[ ]*```[ ]*(?P<language>[\w-]+)\n(?P<text>.*?)^[ ]*```", re.MULTILINE | re.DOTALL)


def blocks(*languages):
    found = {}
    for path in sorted((SHARED / "documents").glob("*.md")):
        for match in BLOCK.finditer(path.read_text()):
            if match["language"].lower() in languages:
                found[match["text"]] = path.name
    return found


def imports():
    for text in blocks("python"):
        for line in text.splitlines():
            if found := re.match(r"\s*from (azureml\S*) import ([^#]+)", line):
                yield from ((found[1], name.strip()) for name in found[2].split(","))
            elif found := re.match(r"\s*import (azureml\S*)", line):
                yield found[1], ""


def commands():
    for text in blocks("azurecli-interactive", "cli", "azurecli"):
        for line in text.splitlines():
            if line.strip().startswith(("az ml environment", "az ml model")) and "profile" not in line:
                yield line.strip()


@pytest.mark.parametrize(("module", "name"), sorted({*imports()}))
def test_an_import_of_the_documents_is_answered(module, name):
    found = import_module(f"envbuild.{module}")
    assert not name or hasattr(found, name) or import_module(f"envbuild.{module}.{name}")


@pytest.mark.parametrize("line", sorted({*commands()}))
def test_a_command_of_the_documents_is_understood(line):
    arguments = parser().parse_args(shlex.split(line.replace("az ml ", "")))
    assert callable(arguments.run)


def test_there_is_something_to_check():
    assert len({*imports()}) > 15
    assert len({*commands()}) > 8

"""Which definition is meant where none is named."""

from __future__ import annotations

import pytest

from envbuild.cli.arguments import definition_or_default
from envbuild.core.errors import DefinitionError


@pytest.mark.parametrize(
    ("files", "meant"),
    [
        ({"environment.yml": "", "pyproject.toml": "[project]"}, "environment.yml"),
        ({"pyproject.toml": "[project]\nname = 'a'", "requirements.txt": ""}, "pyproject.toml"),
        ({"pyproject.toml": "[tool.ruff]\nline-length = 100", "requirements.txt": ""}, "requirements.txt"),
        ({"pyproject.toml": "[tool.poetry]\nname = 'a'", "requirements.txt": ""}, "pyproject.toml"),
        ({"pyproject.toml": "[tool.ruff", "requirements.txt": ""}, "pyproject.toml"),
        ({"pyproject.toml": "[tool.ruff]"}, "pyproject.toml"),
        ({"pixi.toml": ""}, "pixi.toml"),
    ],
)
def test_what_says_no_environment_gives_way(tmp_path, monkeypatch, files, meant):
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert str(definition_or_default(None)) == meant


def test_a_folder_with_none_is_told_what_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DefinitionError, match=r"environment\.yml.*Pipfile"):
        definition_or_default(None)

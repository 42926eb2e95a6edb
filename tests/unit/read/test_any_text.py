"""Whatever stands in a file, the reader understands it or says why not: never another exception."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from envbuild.core.errors import DefinitionError
from envbuild.read.azure_v2 import parse_v2
from envbuild.read.conda_env import parse_conda
from envbuild.read.matchspec import MatchSpecError, parse_matchspec
from envbuild.read.pyproject import parse_pyproject
from envbuild.read.requirements_txt import parse_requirements

PIECES = [
    "numpy",
    "1.2",
    "=",
    "==",
    "~=",
    ">=",
    ",",
    "|",
    "*",
    "[",
    "]",
    "::",
    ":",
    ";",
    "@",
    " ",
    "-e ",
    "-r ",
    "-c x",
    "git+https://h/p",
]
MORE = [
    "#",
    "'",
    '"',
    "\\",
    "\n",
    "./",
    "${X}",
    "{{ x }}",
    "\u00a0",
    "\x00",
    "é",
    "python_version",
    "<",
    "(",
    ")",
    "--hash=sha256:0",
]
words = st.lists(st.sampled_from(PIECES + MORE), max_size=12).map("".join)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


def no_file(path):
    raise DefinitionError(f"{path} cannot be read")


@given(words)
def test_any_text_is_a_matchspec_or_not(text):
    with contextlib.suppress(MatchSpecError):
        assert parse_matchspec(text).spec.name


@given(words)
def test_any_line_is_a_requirement_or_not(text):
    with contextlib.suppress(DefinitionError):
        assert all(one.text for one in parse_requirements(text, "requirements.txt", no_file).pip)


def yaml_of(keys, found):
    import json

    # JSON is YAML enough, and has a writer that never wraps
    return json.dumps(dict(zip(keys, found, strict=False)))


@settings(max_examples=50)
@given(st.lists(values, min_size=5, max_size=5))
def test_any_values_make_a_conda_file_or_not(found):
    text = yaml_of(("dependencies", "channels", "name", "variables", "platforms"), found)
    with contextlib.suppress(DefinitionError):
        assert parse_conda(text, "environment.yml", no_file).kind == "conda"


@settings(max_examples=50)
@given(st.lists(values, min_size=6, max_size=6))
def test_any_values_make_an_azure_environment_or_not(found):
    text = yaml_of(("name", "image", "conda_file", "build", "inference_config", "docker"), found)
    with contextlib.suppress(DefinitionError):
        assert parse_v2(text, "env.yml", no_file).kind == "azure-v2"


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from(["project", "tool.envbuild", "tool.poetry", "tool.pixi.workspace"]), words, max_size=2
    )
)
def test_any_tables_make_a_project_or_not(tables):
    text = "\n".join(f"[{name}]\ndependencies = [{body!r}]" for name, body in tables.items())
    with contextlib.suppress(DefinitionError):
        assert parse_pyproject(text, "pyproject.toml", no_file).kind == "pyproject"

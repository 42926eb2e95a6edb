"""The schemas agree with the readers: what a reader accepts they accept, and what they are mutated to they refuse."""

import copy
import json
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from envbuild.cli.schema import NAMES
from envbuild.core.errors import EnvbuildError
from envbuild.read import read_definition, tool_envbuild
from envbuild.read.pyproject import parse_pyproject
from envbuild.schema import SCHEMAS, schema

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FIXTURES = Path(__file__).parents[2] / "fixtures"
FILES = {
    "pyproject": ("pyproject.toml",),
    "conda": ("environment.yml", "environment.yaml", "conda.yaml", "conda_dependencies.yml"),
    "conda-lock": ("conda-lock.yml",),
    "pylock": ("pylock.toml",),
}
_VALIDATORS = {name: jsonschema.Draft202012Validator(schema(name)) for name in SCHEMAS}


def load(path):
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)


def fixtures(name):
    folder = FIXTURES / "cases" if "lock" in name else FIXTURES
    return [path for file in FILES[name] for path in sorted(folder.rglob(file)) if not _is_mended(path)]


def _is_mended(path):
    """Whether the reader mends the text before any YAML reader could take it."""
    try:
        load(path)
    except yaml.YAMLError:
        return True
    return False


def azure_fixtures():
    return sorted((FIXTURES / "read").glob("azure-v2*/*.y*ml"))


def is_read(path):
    """Whether the reader takes the fixture; the locks are not definitions, and are taken by being there."""
    if "lock" in path.name:
        return True
    try:
        read_definition(path)
    except EnvbuildError as error:
        return "several environments" in str(error)
    return True


def accepts(name, value):
    return _VALIDATORS[name].is_valid(value)


def test_the_command_knows_every_schema_and_each_is_one():
    assert set(NAMES) == set(SCHEMAS)
    for name in NAMES:
        jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_fixture_that_is_read_validates(name):
    validated = 0
    for path in fixtures(name):
        if is_read(path):
            errors = [
                f"{path}: {error.json_path}: {error.message}" for error in _VALIDATORS[name].iter_errors(load(path))
            ]
            assert not errors
            validated += 1
    assert validated >= 3


def test_azure_environments_that_are_read_validate():
    validated = 0
    for path in azure_fixtures():
        data = load(path)
        if is_read(path) and ({"image", "build", "docker"} & set(data)):
            assert accepts("azure-environment", data), path
            validated += 1
    assert validated >= 2


def table_with(key, value):
    beside = {"base": "ubuntu:24.04"} if key == "registry" else {}
    return {"tool": {"envbuild": {**beside, key: value}}}


def reader_takes(value, key):
    lines = "".join(f"{name} = {json.dumps(one)}\n" for name, one in value["tool"]["envbuild"].items())
    try:
        parse_pyproject(
            f"[tool.envbuild]\n{lines}",
            "pyproject.toml",
            lambda path: b"six\n" if key != "conda-file" else b"dependencies: []",
        )
    except EnvbuildError:
        return False
    return True


NUMBERS = [3, True, [3]]
WRONG = [3, True, "text", ["text"], [3], {"a": "b"}, {"a": {"b": 1}}, [["x"]], "a\nb"]


@pytest.mark.parametrize("key", tool_envbuild.KEYS)
def test_the_table_never_refuses_what_the_reader_takes_and_refuses_other_kinds(key):
    refused = 0
    for value in WRONG:
        document = table_with(key, value)
        if not accepts("pyproject", document):
            refused += 1
            if value not in NUMBERS:
                assert not reader_takes(document, key), f"{key} = {value!r} is read, but the schema refuses it"
    assert refused >= 2


@pytest.mark.parametrize("key", tool_envbuild.KEYS)
def test_every_key_is_explained(key):
    assert SCHEMAS["table"]()["properties"][key]["description"]


def mutations(name, value):
    """Yield wrong documents that lie near a right one."""
    if name == "pyproject":
        for key in value.get("tool", {}).get("envbuild", {}):
            changed = copy.deepcopy(value)
            changed["tool"]["envbuild"][f"{key}-x"] = changed["tool"]["envbuild"].pop(key)
            yield f"{key} renamed", changed
        return
    for key in [
        one for one in value if one in ("dependencies", "metadata", "package", "packages", "lock-version", "version")
    ]:
        changed = copy.deepcopy(value)
        del changed[key]
        yield f"{key} missing", changed
        yield f"{key} a number", {**value, key: 7}
    yield "unknown key", {**value, "unknwon": 1}
    for key in ("package", "packages"):
        for field in ("name", "hash"):
            if value.get(key) and field in value[key][0]:
                changed = copy.deepcopy(value)
                del changed[key][0][field]
                yield f"{key}[0].{field} missing", changed
        if value.get(key):
            changed = copy.deepcopy(value)
            changed[key][0]["unknwon"] = 1
            yield f"{key}[0] unknown key", changed


@pytest.mark.parametrize("name", sorted(FILES))
def test_mutated_fixtures_are_refused(name):
    tried = 0
    for path in fixtures(name):
        if not is_read(path) or not accepts(name, load(path)):
            continue
        for what, mutant in mutations(name, load(path)):
            assert not accepts(name, mutant), f"{path}: {what}"
            tried += 1
    assert tried >= 10


def test_two_bases_are_refused():
    both = {"tool": {"envbuild": {"base": "ubuntu:24.04", "build": "."}}}
    assert not accepts("pyproject", both)
    assert not reader_takes(both, "base")


def test_the_hatch_tables_are_those_of_the_hooks():
    from envbuild.hatch import _BUILD_KEYS, _HOST_KEYS, _METADATA_KEYS

    hatch = SCHEMAS["pyproject"]()["properties"]["tool"]["properties"]["hatch"]["properties"]
    for kind, keys in (("build", _BUILD_KEYS), ("metadata", _METADATA_KEYS)):
        described = set(hatch[kind]["properties"]["hooks"]["properties"]["envbuild"]["properties"])
        assert set(keys) <= described <= set(keys) | _HOST_KEYS

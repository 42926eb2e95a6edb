"""Environments as v1 saves them: JSON with fixed keys in a fixed order, the conda file and the Dockerfile beside it."""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from envbuild.azureml.environments.conda_dependencies import CondaDependencies
from envbuild.azureml.environments.sections import (
    NESTED,
    DatabricksSection,
    DockerSection,
    PythonSection,
    RSection,
    SparkSection,
)
from envbuild.core.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from envbuild.azureml.environments.environment import Environment

JSON_FILE, CONDA_FILE, DOCKERFILE = "azureml_environment.json", "conda_dependencies.yml", "BaseDockerfile"
SECTIONS = {"python": PythonSection, "docker": DockerSection, "spark": SparkSection, "databricks": DatabricksSection}
SECRETS = {"password", "authToken"}


def environment_json(environment: Environment, *, inline: bool) -> dict[str, Any]:
    """Return the environment as v1's JSON; `inline` with the conda packages and the Dockerfile in it, as services take it.

    Passwords and tokens are in it too: see `without_secrets`.
    """
    content: dict[str, Any] = {
        "name": environment.name,
        "version": environment.version,
        "environmentVariables": dict(environment.environment_variables),
        **{name: as_json(getattr(environment, name)) for name in SECTIONS},
        "r": as_json(environment.r),
        "inferencingStackVersion": environment.inferencing_stack_version,
        "assetId": environment.asset_id,
    }
    conda = environment.python.conda_dependencies
    if inline:
        content["python"]["condaDependencies"] = conda.as_dict() if conda is not None else None
    elif environment.docker.base_dockerfile is not None:
        del content["docker"]["baseDockerfile"]
    return content


def environment_files(environment: Environment) -> tuple[dict[str, str], dict[str, str]]:
    """Return the texts of a saved environment by file name, and the secrets that were left out of them.

    Raises:
        DefinitionError: the conda packages have no Python.
    """
    secrets: dict[str, str] = {}
    content = without_secrets(environment_json(environment, inline=False), secrets)
    files = {JSON_FILE: json.dumps(content, indent=4)}
    conda, dockerfile = environment.python.conda_dependencies, environment.docker.base_dockerfile
    if conda is not None:
        if not conda.has_python:
            raise DefinitionError("Python package is missing.", hint="conda_dependencies.set_python_version adds it")
        files[CONDA_FILE] = hide_in_urls(conda.serialize_to_string(), secrets)
    if dockerfile is not None:
        files[DOCKERFILE] = dockerfile
    return files, secrets


def environment_parts(content: Any, files: dict[str, str], secrets: dict[str, str]) -> dict[str, Any]:
    """Return the attributes of an Environment from v1's JSON `content` and the side files' texts.

    Unknown keys are left out; what is missing is empty, not the default of a new environment.

    Raises:
        DefinitionError: a part has not the shape that it needs.
    """
    if not isinstance(content, dict):
        raise DefinitionError(Problem(message="is not an environment: an object is needed", file=JSON_FILE))
    if not isinstance(content.get("name"), (str, type(None))):
        raise DefinitionError(Problem(message="a text is needed", file=JSON_FILE, key="name"))
    content = with_secrets(content, secrets)
    parts = {name: from_json(section, content.get(name), name) for name, section in SECTIONS.items()}
    python, docker = content.get("python") or {}, content.get("docker") or {}
    parts["python"].conda_dependencies = _conda(python.get("condaDependencies"), files, secrets)
    # the key is dropped where the side file is written: where it stands, that file is a stale one
    if DOCKERFILE in files and "baseDockerfile" not in docker:
        parts["docker"].base_dockerfile = files[DOCKERFILE]
    return {
        **parts,
        "name": content.get("name"),
        "version": _text(content.get("version")),
        "environment_variables": _variables(content.get("environmentVariables")),
        "r": from_json(RSection, content["r"], "r") if content.get("r") is not None else None,
        "inferencing_stack_version": content.get("inferencingStackVersion"),
        "asset_id": content.get("assetId"),
    }


def as_json(value: Any) -> Any:
    """Return a section as plain values with Azure's keys; the conda packages are no part of it."""
    if is_dataclass(value):
        return {
            camel(one.name): as_json(getattr(value, one.name))
            for one in fields(value)
            if one.name != "conda_dependencies"
        }
    if isinstance(value, list):
        return [as_json(one) for one in value]
    return value


def from_json(section: type, content: Any, key: str = "") -> Any:
    """Return a section from plain values.

    Raises:
        DefinitionError: `content` is not an object.
    """
    if content is not None and not isinstance(content, dict):
        raise DefinitionError(Problem(message=f"is a {type(content).__name__}; an object is needed", key=key))
    lowered = {str(name).lower(): value for name, value in (content or {}).items()}
    values: dict[str, Any] = {}
    for one in fields(section):
        if one.name == "conda_dependencies":
            values[one.name] = None
            continue
        found = lowered.get(camel(one.name).lower())
        place, nested = f"{key}.{camel(one.name)}", NESTED.get((section, one.name))
        found = _of_kind(one, found, place)
        if nested is not None and found is not None and one.type.startswith("list"):
            found = [from_json(nested, item, place) for item in found]
        elif nested is not None and found is not None:
            found = from_json(nested, found, place)
        values[one.name] = _empty(section, one) if found is None else found
    return section(**values)


_OF_FIELDS: dict[str, tuple[type, str]] = {
    "bool": (bool, "true or false"),
    "str": (str, "a text"),
    "list": (list, "a list"),
}


def _of_kind(one: Any, found: Any, key: str) -> Any:
    """Return what was found for a field if it is of the field's kind; a number is taken as a text.

    Raises:
        DefinitionError: it is of another.
    """
    # sections are written with their types as texts
    kind, wanted = _OF_FIELDS.get(re.split(r"\W", one.type)[0], (object, ""))
    if kind is str and isinstance(found, (int, float)) and not isinstance(found, bool):
        return str(found)
    if found is not None and not isinstance(found, kind):
        raise DefinitionError(Problem(message=f"is a {type(found).__name__}; {wanted} is needed", key=key))
    return found


def _empty(section: type, one: Any) -> Any:
    """Return what a missing field is: an empty list or a plain section, else null; flags keep their default."""
    if isinstance(one.default, bool):
        return one.default
    factory = one.default_factory
    if section is RSection or not callable(factory):
        return None
    return factory()


def camel(name: str) -> str:
    """Return Azure's key for an attribute: `base_image_registry` is `baseImageRegistry`."""
    first, *rest = name.split("_")
    return first + "".join(one.capitalize() for one in rest)


_URL_SECRET = re.compile(r"(?<=://)(?P<user>[^\s:/@'\"$]*):(?P<secret>(?!\$\{)[^\s/@'\"]+)@(?P<host>[^\s:/@'\"]+)")


def hide_in_urls(text: str, secrets: dict[str, str]) -> str:
    """Return `text` with the passwords of its URLs as `${VARIABLE}`, and put them into `secrets` under those names."""

    def hide(found: re.Match[str]) -> str:
        variable = f"{re.sub('[^A-Z0-9]+', '_', found['host'].upper())}_PASSWORD"
        secrets[variable] = found["secret"]
        return f"{found['user']}:${{{variable}}}@{found['host']}"

    return _URL_SECRET.sub(hide, text)


def without_secrets(content: Any, secrets: dict[str, str], path: str = "") -> Any:
    """Return `content` with passwords and tokens null, and put them into `secrets` by their path."""
    if isinstance(content, list):
        return [without_secrets(one, secrets, f"{path}[{at}]") for at, one in enumerate(content)]
    if not isinstance(content, dict):
        return content
    kept: dict[str, Any] = {}
    for key, value in content.items():
        place = f"{path}.{key}" if path else key
        if key in SECRETS and value:
            secrets[place] = str(value)
            kept[key] = None
        else:
            kept[key] = without_secrets(value, secrets, place)
    return kept


def with_secrets(content: Any, secrets: dict[str, str], path: str = "") -> Any:
    """Return `content` with what `without_secrets` took out put back."""
    if isinstance(content, list):
        return [with_secrets(one, secrets, f"{path}[{at}]") for at, one in enumerate(content)]
    if not isinstance(content, dict):
        return content
    places = {key: f"{path}.{key}" if path else str(key) for key in content}
    return {
        key: secrets.get(places[key]) if value is None and key in SECRETS else with_secrets(value, secrets, places[key])
        for key, value in content.items()
    }


def _conda(inline: Any, files: dict[str, str], secrets: dict[str, str]) -> CondaDependencies | None:
    if inline is not None:
        return CondaDependencies(_underlying_structure=inline)
    if CONDA_FILE not in files:
        return None
    text = files[CONDA_FILE]
    for name, value in secrets.items():
        text = text.replace(f"${{{name}}}", value)
    return CondaDependencies.from_text(text, CONDA_FILE, verbatim=True)


def _variables(value: Any) -> dict[str, str]:
    if value is not None and not isinstance(value, dict):
        raise DefinitionError(Problem(message="an object is needed", file=JSON_FILE, key="environmentVariables"))
    return {str(name): str(text) for name, text in (value or {}).items()}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)

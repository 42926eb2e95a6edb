"""Every place of every kind of definition that a text can be written to: a field makes the file that holds the text there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from envbuild.core.definition import Definition
from envbuild.core.errors import DefinitionError
from envbuild.read.azure_v1 import parse_inference_config, parse_runconfig, parse_v1_environment
from envbuild.read.azure_v2 import parse_v2
from envbuild.read.conda_env import parse_conda
from envbuild.read.pyproject import parse_pyproject
from envbuild.read.requirements_txt import parse_requirements

IMAGE = "registry.example/base:1"
Maker = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One place. `file` makes the definition's text; `harmless` is what usually stands there."""

    kind: str
    file: Maker
    harmless: str

    def read(self, text: str) -> Definition:
        """Return the definition with `text` in this place, or raise DefinitionError."""
        return _PARSERS[self.kind](self.file(text))


def _include(path: str) -> bytes:
    if path.endswith(("conda.yml", "requirements.txt")):
        return b"dependencies: [python=3.11]\n" if path.endswith("yml") else b"six\n"
    raise DefinitionError(f"{path} cannot be read")


_PARSERS: Mapping[str, Callable[[str], Definition]] = {
    "conda": lambda text: parse_conda(text, "environment.yml", _include),
    "requirements": lambda text: parse_requirements(text, "requirements.in", _include),
    "pyproject": lambda text: parse_pyproject(text, "pyproject.toml", _include),
    "v1": lambda text: parse_v1_environment(text, "azureml_environment.json", _include),
    "v1 run": lambda text: parse_runconfig(text, "a.runconfig", _include),
    "v1 inference": lambda text: parse_inference_config(text, "inference.yml", _include),
    "v2": lambda text: parse_v2(text, "environment.yml", _include),
}


def _with(document: object, text: str) -> object:
    """Return `document` with `text` wherever `§` stands, as a key or as a value."""
    if isinstance(document, dict):
        return {text if key == "§" else key: _with(value, text) for key, value in document.items()}
    if isinstance(document, list):
        return [_with(one, text) for one in document]
    return document.replace("§", text) if isinstance(document, str) else document


def _json(document: object) -> Maker:
    # JSON is YAML too, and every text can be quoted in it
    return lambda text: json.dumps(_with(document, text))


_EXTRAS = '[project]\nname = "p"\n[project.optional-dependencies]\nabc = ["six"]\n[dependency-groups]\nabc = ["six"]\n'


def _toml(table: Mapping[str, object], more: str = "") -> Maker:
    whole = {"base": IMAGE, "python": "3.11", **table}

    def make(text: str) -> str:
        return f"{more}[tool.envbuild]\n" + "".join(
            f"{_toml_value(_key(key, text))} = {_toml_value(_with(value, text))}\n" for key, value in whole.items()
        )

    return make


def _key(key: str, text: str) -> str:
    return text if key == "§" else key


def _toml_value(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_value(key)} = {_toml_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    # TOML's basic strings are JSON's, but for DEL
    return json.dumps(value).replace("\x7f", "\\u007f")


_CONDA: dict[str, object] = {"channels": ["https://conda.example/channel"], "dependencies": ["python=3.11", "numpy"]}
_PIP = ["python=3.11", {"pip": ["§"]}]
_V1: dict[str, object] = {"name": "n", "docker": {"baseImage": IMAGE}, "python": {"condaDependencies": _CONDA}}
_V2: dict[str, object] = {"name": "n", "image": IMAGE, "conda_file": _CONDA}
_ROUTES = {one: {"port": 5001, "path": "/"} for one in ("liveness_route", "readiness_route", "scoring_route")}


def _field(kind: str, file: Maker, harmless: str = "abc") -> Field:
    return Field(kind=kind, file=file, harmless=harmless)


def _v1(docker: Mapping[str, object], harmless: str = "abc", **more: object) -> Field:
    return _field("v1", _json({**_V1, "docker": {"baseImage": IMAGE, **docker}, **more}), harmless)


def _managed(**more: object) -> Field:
    python = {"userManagedDependencies": True, "interpreterPath": "§", **more}
    return _field("v1", _json({**_V1, "python": python}), "/usr/bin/python3")


def _pyproject() -> dict[str, Field]:
    words = {"name": "n", "version": "1", "description": "d", "interpreter-path": "/usr/bin/python3"}
    fields = {key: _field("pyproject", _toml({key: "§"}), harmless) for key, harmless in words.items()}
    lists = {
        "dependencies": "numpy",
        "pip": "six",
        "constraints": "six",
        "channels": "https://conda.example/channel",
        "extra-index-urls": "https://index.example/simple",
        "find-links": "https://index.example/links",
        "trusted-hosts": "index.example",
        "only-binary": "six",
        "no-binary": "six",
        "apt": "git",
        "allow-distribution": "debian",
        "base-packages": "six==1.0",
        "platforms": "linux-64",
        "run-arguments": "--rm",
        "requirements": "requirements.txt",
    }
    fields |= {key: _field("pyproject", _toml({key: ["§"]}), harmless) for key, harmless in lists.items()}
    single = {"base": IMAGE, "python": "3.11", "index-url": "https://index.example/simple", "conda-file": "conda.yml"}
    fields |= {key: _field("pyproject", _toml({key: "§"}), harmless) for key, harmless in single.items()}
    fields["registry"] = _field("pyproject", _toml({"registry": "§"}), "registry.example")
    fields["index pin"] = _field("pyproject", _toml({"index-pins": {"six": "https://index.example/§"}}), "simple")
    fields["index path"] = _field("pyproject", _toml({"index-url": "https://index.example/§"}), "simple")
    fields["pip version"] = _field("pyproject", _toml({"pip": ["six==§"]}), "1.0")
    fields["pip url"] = _field("pyproject", _toml({"pip": ["six @ https://files.example/§"]}), "six-1.0.tar.gz")
    fields["key"] = _field("pyproject", _toml({"§": "x"}), "registry")
    fields["extras"] = _field("pyproject", _toml({"extras": ["§"]}, _EXTRAS), "abc")
    fields["groups"] = _field("pyproject", _toml({"groups": ["§"]}, _EXTRAS), "abc")
    fields["variable"] = _field("pyproject", _toml({"variables": {"NAME": "§"}}))
    fields["variable name"] = _field("pyproject", _toml({"variables": {"§": "x"}}), "NAME")
    fields["tag"] = _field("pyproject", _toml({"tags": {"team": "§"}}))
    fields["tag name"] = _field("pyproject", _toml({"tags": {"§": "x"}}), "team")
    fields["managed"] = _field(
        "pyproject", _toml({"user-managed": True, "interpreter-path": "§", "pip": ["six"]}), "/usr/bin/python3"
    )
    fields["managed package"] = _field("pyproject", _toml({"user-managed": True, "pip": ["§"]}), "six")
    return {f"pyproject {name}": one for name, one in fields.items()}


def _conda() -> dict[str, Field]:
    made: dict[str, tuple[dict[str, object], str]] = {
        "name": ({"name": "§"}, "n"),
        "channel": ({"channels": ["§"]}, "https://conda.example/channel"),
        "dependency": ({"dependencies": ["python=3.11", "§"]}, "numpy"),
        "version": ({"dependencies": ["python=3.11", "numpy=§"]}, "1.0"),
        "build": ({"dependencies": ["python=3.11", "numpy=1.0=§"]}, "py_0"),
        "spec channel": ({"dependencies": ["python=3.11", "§::numpy"]}, "conda-forge"),
        "bracket": ({"dependencies": ["python=3.11", "numpy[version='§']"]}, "1.0"),
        "pip": ({"dependencies": _PIP}, "six"),
        "variable": ({"variables": {"NAME": "§"}}, "x"),
        "variable name": ({"variables": {"§": "x"}}, "NAME"),
        "platform": ({"platforms": ["§"]}, "linux-64"),
        "prefix": ({"prefix": "§"}, "/opt/x"),
        "key": ({"§": "x"}, "prefix"),
    }
    fields = {name: _field("conda", _json({**_CONDA, **part}), harmless) for name, (part, harmless) in made.items()}
    raw = "channels: [https://conda.example/channel]\ndependencies:\n- python=3.11\n- {}\n"
    fields["raw line"] = _field("conda", raw.format, "numpy")
    return {f"conda {name}": one for name, one in fields.items()}


def _requirements() -> dict[str, Field]:
    lines = {
        "line": ("§", "six"),
        "version": ("six==§", "1.0"),
        "url": ("six @ https://files.example/§", "six-1.0.tar.gz"),
        "vcs": ("six @ git+https://git.example/§", "six"),
        "marker": ("six; §", "python_version > '3'"),
        "extra": ("six[§]", "abc"),
        "index": ("--index-url §\nsix", "https://index.example/simple"),
        "index path": ("--index-url https://index.example/§\nsix", "simple"),
        "extra index": ("--extra-index-url https://index.example/§\nsix", "simple"),
        "links": ("--find-links https://index.example/§\nsix", "links"),
        "host": ("--trusted-host §\nsix", "index.example"),
        "include": ("-r §\nsix", "requirements.txt"),
        "constraint": ("-c §\nsix", "requirements.txt"),
        "editable": ("-e §\nsix", "./pkg"),
        "hash": ("six==1.0 --hash=sha256:§", "ab" * 32),
    }
    return {
        f"requirements {name}": _field("requirements", lambda text, line=line: line.replace("§", text), harmless)
        for name, (line, harmless) in lines.items()
    }


def _azure_v1() -> dict[str, Field]:
    run = {"environment": {**_V1, "environmentVariables": {"NAME": "§"}}}
    conda = {**_CONDA, "dependencies": _PIP}
    inference = {"entryScript": "s.py", "runtime": "python", "condaFile": "conda.yml", "baseImage": "§"}
    return {
        "v1 name": _field("v1", _json({**_V1, "name": "§"})),
        "v1 version": _field("v1", _json({**_V1, "version": "§"}), "1"),
        "v1 variable": _field("v1", _json({**_V1, "environmentVariables": {"NAME": "§"}})),
        "v1 variable name": _field("v1", _json({**_V1, "environmentVariables": {"§": "x"}}), "NAME"),
        "v1 image": _v1({"baseImage": "§"}, IMAGE),
        "v1 registry": _v1({"baseImageRegistry": {"address": "§"}}, "registry.example"),
        "v1 username": _v1({"baseImageRegistry": {"address": "registry.example", "username": "§"}}),
        "v1 password": _v1({"baseImageRegistry": {"address": "registry.example", "password": "§"}}),
        "v1 argument": _v1({"arguments": ["§"]}, "--rm"),
        "v1 shm": _v1({"shmSize": "§"}, "4g"),
        "v1 os": _v1({"platform": {"os": "§"}}, "Linux"),
        "v1 architecture": _v1({"platform": {"architecture": "§"}}, "amd64"),
        "v1 interpreter": _managed(),
        "v1 pip": _field("v1", _json({**_V1, "python": {"condaDependencies": conda}}), "six"),
        "v1 key": _field("v1", _json({**_V1, "§": "x"}), "assetId"),
        "v1 run variable": _field("v1 run", _json(run)),
        "v1 inference image": _field("v1 inference", _json(inference), IMAGE),
        "v1 inference file": _field(
            "v1 inference", _json({**inference, "baseImage": IMAGE, "condaFile": "§"}), "conda.yml"
        ),
    }


def _azure_v2() -> dict[str, Field]:
    route = {**_ROUTES, "scoring_route": {"port": 5001, "path": "§"}}
    conda = {**_CONDA, "dependencies": _PIP}
    return {
        "v2 name": _field("v2", _json({**_V2, "name": "§"})),
        "v2 version": _field("v2", _json({**_V2, "version": "§"}), "1"),
        "v2 description": _field("v2", _json({**_V2, "description": "§"})),
        "v2 tag": _field("v2", _json({**_V2, "tags": {"team": "§"}})),
        "v2 tag name": _field("v2", _json({**_V2, "tags": {"§": "x"}}), "team"),
        "v2 image": _field("v2", _json({**_V2, "image": "§"}), IMAGE),
        "v2 conda file": _field("v2", _json({**_V2, "conda_file": "§"}), "conda.yml"),
        "v2 pip": _field("v2", _json({**_V2, "conda_file": conda}), "six"),
        "v2 os": _field("v2", _json({**_V2, "os_type": "§"}), "linux"),
        "v2 route": _field("v2", _json({**_V2, "inference_config": route}), "/score"),
        "v2 datastore": _field("v2", _json({**_V2, "datastore": "§"})),
        "v2 key": _field("v2", _json({**_V2, "§": "x"}), "datastore"),
    }


FIELDS: Mapping[str, Field] = {**_conda(), **_requirements(), **_pyproject(), **_azure_v1(), **_azure_v2()}

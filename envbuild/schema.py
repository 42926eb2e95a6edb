"""JSON Schemas (draft 2020-12) of what people write and tools read, made from the readers' own tables of keys.

An editor completes and validates with them; the readers stay the judges: what a schema accepts may still be refused, with
a better message. What a reader accepts no schema refuses, but for numbers where a text belongs: the readers take them as they
are written, and whoever writes them wants to know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from envbuild.core.errors import UsageError
from envbuild.core.image_settings import COMPRESSIONS, CONDA_INSTALLERS, MOST_LAYERS, PIP_INSTALLERS
from envbuild.core.names import NO_SNAPSHOT, SNAPSHOT_DAY
from envbuild.core.platforms import PLATFORMS
from envbuild.formats.facts import Facts
from envbuild.read import azure_v2, conda_env, tool_envbuild

Schema = dict[str, object]

_FACTS = tuple(sorted(one.replace("_", "-") for one in Facts.__annotations__))

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_TEXT: Schema = {"type": "string"}
_LINE: Schema = {"type": "string", "pattern": r"^[^\u0000-\u0008\u000a-\u001f\u007f\u0085\u2028\u2029]*$"}
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_FLAG: Schema = {"type": "boolean"}
_APT = r"^\s*[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?(=[A-Za-z0-9.+:~-]+)?\s*$"
_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$"
_HASHES: Schema = {
    "type": "object",
    "additionalProperties": {"type": "string", "pattern": "^[0-9a-fA-F]+$"},
    "minProperties": 1,
}
_SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def _list(entry: Schema) -> Schema:
    return {"type": "array", "items": entry}


def _either(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def _map(value: Schema) -> Schema:
    return {"type": "object", "additionalProperties": value}


def _object(properties: Mapping[str, object], *, required: Iterable[str] = (), closed: bool = True) -> Schema:
    found: Schema = {"type": "object", "properties": dict(properties)}
    if required:
        found["required"] = list(required)
    if closed:
        found["additionalProperties"] = False
    return found


def _platform() -> Schema:
    known = sorted({*PLATFORMS, *(one.oci for one in PLATFORMS.values())})
    return _either({"enum": known}, _LINE)


def _image_settings() -> Schema:
    return _object(
        {
            "layers": {
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_LAYERS,
                "description": "how many layers packages share (oci engine)",
            },
            "append-to": {**_LINE, "description": "an earlier image whose layers stay where they are (oci engine)"},
            "compression": {"enum": list(COMPRESSIONS), "description": "of layers (oci engine)"},
            "bytecode": {**_FLAG, "description": "whether modules are compiled (oci engine)"},
            "attest": {**_FLAG, "description": "push a bill of materials and the provenance too"},
            "code": {**_FLAG, "description": "false: the code of the project and of other folders is not in the image"},
            "check-imports": {**_FLAG, "description": "import every module once the image is built"},
            "pip-installer": {
                "enum": list(PIP_INSTALLERS),
                "description": "what installs Python packages (Dockerfile)",
            },
            "conda-installer": {
                "enum": list(CONDA_INSTALLERS),
                "description": "what installs conda packages (Dockerfile)",
            },
            "syntax": {**_LINE, "description": "a BuildKit frontend image for the `# syntax=` line (Dockerfile)"},
        }
    )


_DEPENDENCY = _either(_TEXT, _object({"pip": _either(_list(_TEXT), _TEXT)}, required=["pip"], closed=False))
_TABLE: dict[str, tuple[Schema, str]] = {
    "name": (_SCALAR, "the environment's name; else the project's"),
    "version": (_SCALAR, "what is said about it; without effect on the answer"),
    "description": (_SCALAR, "what is said about it; without effect on the answer"),
    "tags": (_map(_SCALAR), "what is said about it; without effect on the answer"),
    "python": (_either(_TEXT, {"type": "number"}), 'a version ("3.11") or a specifier (">=3.10,<3.13")'),
    "channels": (_either(_TEXT, _list(_SCALAR)), "conda channels in order of priority: names, URLs, folders"),
    "dependencies": (_list(_DEPENDENCY), "conda specs; an entry {pip = [...]} holds requirements"),
    "pip": (_either(_list(_TEXT), _TEXT), "requirements, one line of a requirements file each"),
    "requirements": (_either(_TEXT, _list(_TEXT)), "requirements files"),
    "conda-file": (_LINE, "a conda environment file, read before dependencies"),
    "project": (_FLAG, "whether the project's own dependencies belong to it"),
    "extras": (_list(_SCALAR), "the project's optional dependencies to take"),
    "groups": (_list(_SCALAR), "dependency groups (PEP 735) to take"),
    "constraints": (_either(_TEXT, _list(_TEXT)), "requirements that bound others, or files of them"),
    "index-url": (_LINE, "where pip's side looks"),
    "extra-index-urls": (_list(_TEXT), "where pip's side looks besides"),
    "index-pins": (_map(_TEXT), "the one index that a distribution comes from: its name and the index's URL"),
    "find-links": (_list(_TEXT), "folders and pages where pip's side looks"),
    "no-index": (_FLAG, "as pip's option"),
    "pre": (_FLAG, "as pip's option"),
    "only-binary": (_list(_TEXT), "as pip's option"),
    "no-binary": (_list(_TEXT), "as pip's option"),
    "trusted-hosts": (_list(_TEXT), "as pip's option"),
    "attestations": (
        _either(_TEXT, _map(_TEXT)),
        "which distributions must be attested (PEP 740): off, verify, require, or by name; a publisher: github:OWNER/REPOSITORY",
    ),
    "base": (_LINE, "the base image: name:tag, with a digest or without"),
    "registry": (_LINE, "the registry of the base image, where the name does not say it"),
    "dockerfile": (_LINE, "a Dockerfile whose text is the base"),
    "build": (
        _either(_LINE, _object({"path": _SCALAR, "dockerfile": _SCALAR})),
        "a build context as the base: a folder, or {path, dockerfile}",
    ),
    "apt": (_list({"type": "string", "pattern": _APT}), "apt packages in order: name, name=version"),
    "apt-snapshot": (
        {"type": "string", "pattern": f"^({NO_SNAPSHOT}|{SNAPSHOT_DAY})$"},
        "the day of the archive that apt packages are from, or none; default: the day of locking",
    ),
    "docker-steps": (_either(_TEXT, _list(_TEXT)), "Dockerfile instructions behind the base"),
    "allow-distribution": (_either(_TEXT, _list(_TEXT)), "distributions besides Ubuntu that the base may be"),
    "base-packages": (_either(_TEXT, _list(_TEXT)), "what the base already holds: name==version"),
    "variables": (_map(_SCALAR), "environment variables"),
    "platforms": (_list(_platform()), "linux-64, linux-aarch64, osx-arm64, …, or OCI's names (linux/arm64)"),
    "user-managed": (_FLAG, "install nothing; use the interpreter that the base has"),
    "interpreter-path": (_LINE, "the interpreter in the base"),
    "templates": (_LINE, "a folder of templates that replace ours"),
    "run-arguments": (_either(_TEXT, _list(_SCALAR)), "arguments for whoever runs the image"),
    "image": (_image_settings(), "how the image is made of the lock: layers, compression, bytecode"),
}


def _keys() -> Schema:
    # KeyError where the reader has learnt a key that no editor is told of
    return {key: {**_TABLE[key][0], "description": _TABLE[key][1]} for key in tool_envbuild.KEYS}


def _one_base() -> Schema:
    pairs = (("base", "dockerfile"), ("base", "build"), ("dockerfile", "build"))
    return {"not": {"anyOf": [{"required": list(pair)} for pair in pairs]}}


def table() -> Schema:
    """Return the schema of `[tool.envbuild]`."""
    environment = {**_object(_keys()), **_one_base()}
    several = {
        "description": "several environments: each inherits what it does not say, and is called by its key",
        "type": "object",
        "propertyNames": {"pattern": _NAME},
        "additionalProperties": environment,
    }
    return {
        **_object({**_keys(), "environments": several}),
        **_one_base(),
        "title": "[tool.envbuild]",
        "description": "an environment definition (docs/definitions.md)",
    }


def pyproject() -> Schema:
    """Return the schema of a pyproject.toml, of which only our tables are described."""
    tool = _object({"envbuild": table(), "hatch": _hatch()}, closed=False)
    return {**_object({"tool": tool}, closed=False), "title": "pyproject.toml, the tables of envbuild"}


def _hatch() -> Schema:
    definition = {"definition": _TEXT, "environment": _TEXT}
    host = {"dependencies": _list(_TEXT), "enable-by-default": _FLAG, "require-runtime-dependencies": _FLAG}
    parts = {"type": "array", "items": {"enum": ["lock", "dockerfile", "sbom"]}}
    build: Schema = {
        **definition,
        **host,
        "folder": _TEXT,
        "include": parts,
        "refresh": _FLAG,
        "allow-unpinned-base": _FLAG,
    }
    build |= {"require-runtime-features": _list(_TEXT), "path": _TEXT}
    metadata: Schema = {**definition, **host, "extra": _TEXT, "path": _TEXT}
    hooks: list[tuple[str, Schema]] = [("build", build), ("metadata", metadata)]
    inner: Schema = {
        kind: _object({"hooks": _object({"envbuild": _object(keys)}, closed=False)}, closed=False)
        for kind, keys in hooks
    }
    return _object(inner, closed=False)


def conda() -> Schema:
    """Return the schema of a conda environment.yml as envbuild reads it."""
    entry = _either(_TEXT, {"type": "null"}, {"type": "object", "minProperties": 1})
    known: dict[str, Schema] = {
        "name": {"type": ["string", "number", "null"]},
        "channels": {"type": ["array", "null"], "items": {"type": ["string", "null"]}},
        "dependencies": {"type": "array", "items": entry},
        "variables": {"type": ["object", "null"], "additionalProperties": {"type": ["string", "number", "boolean"]}},
        "platforms": {"type": ["array", "null"], "items": _TEXT},
        "pip-repositories": {"type": ["array", "null"], "items": _TEXT},
    }
    properties = {key: known.get(key, {}) for key in conda_env.KEYS}
    return {**_object(properties, required=["dependencies"]), "title": "conda environment file"}


def azure_environment() -> Schema:
    """Return the schema of an Azure Machine Learning v2 environment as envbuild reads it."""
    known: dict[str, Schema] = {
        "$schema": _TEXT,
        "name": _SCALAR,
        "version": {"type": ["string", "number"]},
        "description": {"type": ["string", "null"]},
        "tags": {"type": ["object", "null"], "additionalProperties": _SCALAR},
        "image": _LINE,
        "conda_file": _either(_TEXT, _object({}, closed=False)),
        "build": _object({"path": _TEXT, "dockerfile_path": _TEXT}, required=["path"], closed=False),
        "os_type": {"type": "string", "pattern": "^[Ll][Ii][Nn][Uu][Xx]$"},
        "inference_config": _object({}, closed=False),
    }
    current = _object({key: known.get(key, {}) for key in azure_v2.KEYS}, required=["name"])
    old = _object(
        {key: known.get(key, {}) for key in (*azure_v2.KEYS, *azure_v2.OLD_KEYS)}, required=["name", "docker"]
    )
    return {
        "anyOf": [{**current, "anyOf": [{"required": ["image"]}, {"required": ["build"]}]}, old],
        "title": "Azure ML v2 environment",
    }


def conda_lock() -> Schema:
    """Return the schema of a conda-lock.yml as envbuild writes it (conda-lock's format, version 1)."""
    package = _object(
        {
            "name": _TEXT,
            "version": _TEXT,
            "manager": {"enum": ["conda", "pip"]},
            "platform": {"enum": sorted(PLATFORMS)},
            "dependencies": _map(_TEXT),
            "url": _TEXT,
            "hash": _object({"md5": {"type": "string", "pattern": "^[0-9a-f]{32}$"}, "sha256": _SHA256}),
            "source": {"type": ["object", "null"]},
            "build": {"type": ["string", "null"]},
            "category": _TEXT,
            "optional": _FLAG,
        },
        required=["name", "version", "manager", "platform", "dependencies", "url", "hash", "optional"],
    )
    channel = _object({"url": _TEXT, "used_env_vars": _list(_TEXT)}, required=["url"])
    source = _object({"md5": _TEXT, "sha256": _SHA256})
    ours = "|".join(one for one in _FACTS if one != "tools")
    custom = {
        "type": "object",
        "patternProperties": {f"^envbuild-(?:{ours})$": _TEXT, "^(?:envbuild-tool|conda|pip)/": _TEXT},
        "additionalProperties": _TEXT,
    }
    metadata = _object(
        {
            "content_hash": _map(_TEXT),
            "channels": _list(channel),
            "platforms": _list({"enum": sorted(PLATFORMS)}),
            "sources": _list(_TEXT),
            "inputs_metadata": _map(source),
            "custom_metadata": custom,
        },
        required=["content_hash", "channels", "platforms", "sources"],
        closed=False,
    )
    whole = _object(
        {"version": {"const": 1}, "metadata": metadata, "package": _list(package)},
        required=["version", "metadata", "package"],
    )
    return {**whole, "title": "conda-lock.yml"}


def pylock() -> Schema:
    """Return the schema of a pylock.toml as envbuild writes it (PEP 751), with `[tool.envbuild]`."""
    file = _object(
        {
            "name": _TEXT,
            "url": _TEXT,
            "path": _TEXT,
            "size": {"type": "integer", "minimum": 0},
            "upload-time": {},
            "hashes": _HASHES,
        },
        required=["hashes"],
    )
    package = _object(
        {
            "name": {"type": "string", "pattern": r"^([a-z0-9]|[a-z0-9][a-z0-9.-]*[a-z0-9])$"},
            "version": _TEXT,
            "marker": _TEXT,
            "requires-python": _TEXT,
            "dependencies": _list({"type": "object"}),
            "index": _TEXT,
            "vcs": {"type": "object", "required": ["type", "commit-id"]},
            "directory": {"type": "object", "required": ["path"]},
            "archive": file,
            "sdist": file,
            "wheels": _list(file),
            "attestation-identities": _list({"type": "object"}),
            "tool": {"type": "object"},
        },
        required=["name"],
    )
    facts: Schema = {name: {} for name in _FACTS} | {
        "sources": _map(_SHA256),
        "definition-hash": _SHA256,
        "platforms": _list(_TEXT),
    }
    tool = _object({"envbuild": _object(facts)}, closed=False)
    whole = _object(
        {
            "lock-version": {"const": "1.0"},
            "environments": _list(_TEXT),
            "requires-python": _TEXT,
            "extras": _list(_TEXT),
            "dependency-groups": _list(_TEXT),
            "default-groups": _list(_TEXT),
            "created-by": _TEXT,
            "packages": _list(package),
            "tool": tool,
        },
        required=["lock-version", "created-by", "packages"],
    )
    return {**whole, "title": "pylock.toml"}


SCHEMAS: dict[str, Callable[[], Schema]] = {
    "table": table,
    "pyproject": pyproject,
    "conda": conda,
    "azure-environment": azure_environment,
    "conda-lock": conda_lock,
    "pylock": pylock,
}
"""Every schema by the name that `envbuild schema` knows it by."""


def schema(name: str) -> Schema:
    """Return the schema called `name`, with its draft.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in SCHEMAS:
        raise UsageError(f"{name!r} is not one of {', '.join(SCHEMAS)}")
    return {"$schema": DRAFT, **SCHEMAS[name]()}

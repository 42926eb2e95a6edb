"""From a plan to a build context: pick the values, let the templates word them. Runs nothing and asks no network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from envbuild.context import EPOCH, Context, ContextFile, Step
from envbuild.core.bases import OLDEST_CONDA, OLDEST_PYTHON, OLDEST_UBUNTU
from envbuild.core.definition import Definition, Origin
from envbuild.core.errors import PlanError
from envbuild.core.image_settings import ImageSettings
from envbuild.core.names import is_apt_package, is_variable
from envbuild.core.plan import OWN_VARIABLES, PREFIX, LayerKind, Plan
from envbuild.core.reference import ImageReference
from envbuild.render.app_files import app_copies, app_files
from envbuild.render.buildfiles import CondaInstaller, Installers, PipInstaller, build_files, choose_installers
from envbuild.render.context_folder import read_folder
from envbuild.render.dockerfile import instructions
from envbuild.render.own_dockerfile import prepare
from envbuild.render.templates import render_template

Dialect = Literal["buildkit", "sessionless", "plain"]
"""`sessionless` has mounts but no secrets: for BuildKit over the engine's REST API, which fails even on optional ones.
`plain` has no `RUN --mount` at all: for the legacy builder."""

WORK = "/run/envbuild"
"""Where a RUN sees its context, tools and caches; an empty folder in the image."""

SECRETS = {"ca": "ca.crt", "netrc": "netrc", "pip.conf": "pip.conf", "uv.toml": "uv.toml"}
"""Each secret's id, and its file in /run/secrets; all optional."""

_SECRET = re.compile(r"--mount=type=secret,(?:[a-z]+=[^,\s]+,)*id=([A-Za-z0-9._-]+)")

BASE_STAGE = "envbuild-own"

OWN_CONTEXT = "context"
"""Where the files of the user's own build context lie in ours, so that its `COPY .` takes none of our files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """How the Dockerfile is worded. `syntax` is a frontend image for `# syntax=`, empty for none."""

    dialect: Dialect = "buildkit"
    syntax: str = ""
    pip_installer: PipInstaller = "auto"
    conda_installer: CondaInstaller = "rattler"

    @classmethod
    def of(cls, settings: ImageSettings, dialect: Dialect = "buildkit") -> RenderOptions:
        """Return what `settings` say."""
        return cls(
            dialect=dialect,
            syntax=settings.syntax,
            pip_installer=settings.pip_installer or "auto",
            conda_installer=settings.conda_installer or "rattler",
        )


def render(plan: Plan, *, options: RenderOptions | None = None, root: Path = Path()) -> Context:
    """Return the build context of `plan`; `root` is where relative paths of the definition and its lock start.

    Without `options` the definition's own settings hold. Files are named, not read, but for a build context of the user's own and the templates.

    Raises:
        PlanError: a value cannot stand in a Dockerfile, an installer is not locked, or a template is wrong.
    """
    options = options or RenderOptions.of(plan.definition.image)
    installers = choose_installers(plan, options.pip_installer, options.conda_installer)
    own_text, own_files, syntax = _own(plan, root)
    values = _values(plan, options, installers) | {"base": own_text, "syntax": _syntax(options.syntax or syntax)}
    folder = root / plan.definition.templates if plan.definition.templates else None
    dockerfile = render_template("Dockerfile.j2", values, folder=folder)
    mounts = options.dialect != "plain"
    files = (*own_files, *build_files(plan, installers, root=root, mounts=mounts), *app_files(plan.app))
    secrets = tuple(sorted(set(_SECRET.findall(dockerfile))))
    return Context(dockerfile=dockerfile, files=files, secrets=secrets, steps=tuple(_steps(dockerfile, plan)))


def _values(plan: Plan, options: RenderOptions, installers: Installers) -> dict[str, object]:
    managed = not plan.definition.user_managed
    mounts = options.dialect != "plain"
    copies = app_copies(plan.app)
    values: dict[str, object] = {
        "prefix": PREFIX,
        "work": WORK,
        "epoch": EPOCH,
        "mounts": mounts,
        "mount": _mount_for(options.dialect),
        "source": f". {WORK}/secrets.sh && " if options.dialect == "buildkit" else "",
        "root": managed or bool(plan.layer("apt")),
        "checks": _checks(plan, installers),
        "user_managed": _user_managed(plan),
        "home": _home(plan),
        "apt": _apt(plan),
        "tools": installers.tools_values(),
        "conda": installers.conda_values(plan),
        "pip": installers.pip_values(plan, staged=not mounts),
        "code": installers.code_values(plan),
        "copies": copies,
    }
    return values | _config(plan)


def _mount_for(dialect: Dialect) -> Callable[..., str]:
    """Return what templates call for the flags of a RUN: `context:NAME`, `tools`, `cache:NAME`, `secrets:ID,ID`."""
    left_out = {"buildkit": (), "sessionless": ("secrets",), "plain": ("context", "tools", "cache", "secrets")}[dialect]

    def mount(*wanted: str) -> str:
        kept = (one for one in wanted if one.partition(":")[0] not in left_out)
        return "".join(f"{flag} \\\n    " for one in kept for flag in _flags(one))

    return mount


def _flags(wanted: str) -> Iterator[str]:
    what, _, name = wanted.partition(":")
    if what == "context":
        yield f"--mount=type=bind,source=envbuild/{name},target={WORK}/{name}"
    elif what == "tools":
        yield f"--mount=type=bind,from=envbuild-tools,source={WORK}/installers,target={WORK}/installers"
    elif what == "cache":
        yield f"--mount=type=cache,id=envbuild-{name},target={WORK}/cache/{name},sharing=locked"
    elif what == "secrets":
        yield f"--mount=type=bind,source=envbuild/secrets.sh,target={WORK}/secrets.sh"
        for identity in name.split(","):
            yield f"--mount=type=secret,id={identity},target=/run/secrets/{SECRETS[identity]}"


def _own(plan: Plan, root: Path) -> tuple[dict[str, object], tuple[ContextFile, ...], str]:
    base, lock = plan.definition.base, plan.lock
    steps = [step.replace("\r\n", "\n").strip("\n") for step in plan.definition.docker_steps]
    text = base.dockerfile
    files: tuple[ContextFile, ...] = ()
    if base.context is not None:
        text, files = read_folder(root / base.context.path, base.context.dockerfile_path, below=OWN_CONTEXT)
    if not text:
        return {"dockerfile": "", "image": _image(lock.base.pinned), "steps": steps}, (), ""
    pinned = {lock.base.reference: _image(lock.base.pinned)} if lock.base.reference else {}
    own = prepare(text, pinned, BASE_STAGE, folder=OWN_CONTEXT if base.context is not None else "")
    return {"dockerfile": own.text, "stage": own.last_stage, "steps": steps}, files, own.syntax


def _image(reference: str) -> str:
    if not reference:
        raise PlanError("the lock names no base image", hint="run `envbuild lock` again")
    return str(ImageReference.parse(reference))


def _syntax(reference: str) -> str:
    return str(ImageReference.parse(reference)) if reference else ""


def _checks(plan: Plan, installers: Installers) -> dict[str, object]:
    definition, python = plan.definition, plan.lock.python
    needed = f"Ubuntu {OLDEST_UBUNTU[0]}.{OLDEST_UBUNTU[1]:02d} or later"
    values: dict[str, object] = {
        "allowed": [_distribution(name) for name in definition.allow_distribution if name != "ubuntu"],
        "ubuntu": OLDEST_UBUNTU,
        "ubuntu_text": needed,
        "other_text": f"{needed}, or the distribution allowed by name (allow-distribution),",
        "oldest_conda": OLDEST_CONDA,
        "oldest_python": OLDEST_PYTHON,
        "conda_text": f"conda {OLDEST_CONDA[0]}.{OLDEST_CONDA[1]} or later",
        "conda": "conda" if installers.conda == "conda" else "",
        "python": "",
        "exact": "",
        "python_text": f"Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or later",
    }
    if definition.user_managed:
        values["python"] = definition.interpreter_path or "python"
    elif python is not None and python.provider == "base":
        minor = ".".join(map(str, python.minor))
        values |= {"python": python.interpreter or "python3", "exact": minor, "python_text": f"Python {minor}"}
    return values


def _user_managed(plan: Plan) -> dict[str, object] | None:
    if not plan.definition.user_managed:
        return None
    return {"packages": sorted({one.name for one in plan.definition.pip if one.name})}


def _distribution(name: str) -> str:
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        raise PlanError(f"allow-distribution: {name!r} is not the name of a distribution (ID in os-release)")
    return name


def _home(plan: Plan) -> dict[str, str] | None:
    variables = dict(plan.config.variables)
    if not plan.config.user:
        return None
    return {"path": _absolute("HOME", variables["HOME"]), "owner": plan.config.user}


def _apt(plan: Plan) -> dict[str, object] | None:
    layer = plan.layer("apt")
    if layer is None:
        return None
    python, apt = plan.lock.python, plan.lock.apt
    names = list(apt.packages)
    if python is not None and python.provider == "apt":
        names.append(f"python{python.minor[0]}.{python.minor[1]}")
    for name in names:
        if not is_apt_package(name):
            raise PlanError(f"{name!r} is not an apt package, name or name=version")
    snapshot = apt.snapshot
    if snapshot and not snapshot.isalnum():
        raise PlanError(f"{snapshot!r} is not a snapshot date such as 20261121T000000Z")
    options = f" -o APT::Snapshot={snapshot}" if snapshot else ""
    return {"packages": names, "snapshot": snapshot, "options": options}


def _config(plan: Plan) -> dict[str, object]:
    config = plan.config
    for name, _ in config.variables:
        if not is_variable(name):
            raise PlanError(f"{name!r} is not the name of an environment variable")
    for name, _ in config.labels:
        if not name.replace(".", "").replace("-", "").replace("_", "").replace("/", "").isalnum():
            raise PlanError(f"{name!r} is not the name of a label")
    if config.workdir:
        _absolute("workdir", config.workdir)
    own_path = "PATH" in dict(config.variables)
    health = _health_command(plan) if config.health and config.port else ()
    path = "" if own_path else plan.path_prefix
    return {"config": config, "variables": _groups(config.variables), "healthcheck": health, "path_prefix": path}


def _groups(variables: tuple[tuple[str, str], ...]) -> list[list[tuple[str, str]]]:
    """Return the variables of each `ENV`: ours in one, the definition's in another, as some engines make a layer of each."""
    ours = [pair for pair in variables if pair[0] in OWN_VARIABLES]
    theirs = [pair for pair in variables if pair[0] not in OWN_VARIABLES]
    return [group for group in (ours, theirs) if group]


def _absolute(what: str, path: str) -> str:
    plain = path.replace("/", "").replace("-", "").replace("_", "").replace(".", "").replace("@", "").replace("+", "")
    if not path.startswith("/") or ".." in path.split("/") or not (plain.isalnum() or path == "/"):
        raise PlanError(f"{what}: {path!r} is not an absolute path of letters, digits and - _ . @ +")
    return path


def _health_command(plan: Plan) -> tuple[str, ...]:
    managed = f"{PREFIX}/bin/python"
    python = (plan.definition.interpreter_path or "python") if plan.definition.user_managed else managed
    url = f"http://127.0.0.1:{plan.config.port}{plan.config.health}"
    return (python, "-c", f"import urllib.request; urllib.request.urlopen({url!r}, timeout=4)")


_HEADING = re.compile(r"# (base|checks|apt|tools|conda|pip|code|files)(?::|$)")


def _steps(dockerfile: str, plan: Plan) -> Iterator[Step]:
    """Yield each instruction that an engine shows, with the kind of layer whose heading (`# pip: …`) stands over it."""
    origins: dict[str, tuple[Origin, ...]] = {layer.kind: layer.origins for layer in plan.layers}
    kinds: dict[str, LayerKind] = {"tools": "conda" if plan.selection.conda else "pip"}
    kinds |= {layer.kind: layer.kind for layer in plan.layers}
    headings = {
        number: found[1] for number, line in enumerate(dockerfile.split("\n"), 1) if (found := _HEADING.match(line))
    }
    for number, text in instructions(dockerfile):
        if text.split(" ", 1)[0].upper() in ("FROM", "RUN", "COPY", "ADD"):
            above = max((line for line in headings if line < number), default=0)
            kind = kinds.get(headings.get(above, "base"), "base")
            yield Step(
                kind=kind, line=number, text=text, origins=origins.get(kind, ()), asked=_asked(plan.definition, kind)
            )


def _asked(definition: Definition, kind: LayerKind) -> tuple[tuple[str, Origin], ...]:
    if kind == "apt":
        names = [one.partition("=")[0] for one in definition.apt]
        return tuple(zip(names, definition.apt_origins, strict=False))
    if kind == "conda":
        return tuple((one.name, one.origin) for one in definition.conda)
    return tuple((one.name, one.origin) for one in definition.pip if one.name) if kind == "pip" else ()

"""The files under `envbuild/` in a build context: what is installed, with hashes, and the scripts that do it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from envbuild.context import ContextFile
from envbuild.core.bases import apt_python
from envbuild.core.errors import PlanError, Problem
from envbuild.core.lock import CondaPackage, LockedPython, PipFile
from envbuild.core.names import is_location
from envbuild.core.plan import PREFIX, LayerKind, Plan
from envbuild.core.selection import Chosen, choose
from envbuild.formats.explicit import write_explicit
from envbuild.render.templates import render_template

PipInstaller = Literal["auto", "uv", "pip"]
CondaInstaller = Literal["rattler", "conda", "micromamba"]

PipSide = Literal["", "venv", "uv", "pip"]
"""`venv` where there is a Python but nothing to install."""

STAGE_PYTHON = (3, 10)
"""The oldest Python that py-rattler's wheels run on."""

OLDEST_UV_PYTHON = (3, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installers:
    """What installs each side, `""` for a side that there is not, and the locked tools that this takes."""

    pip: PipSide
    conda: Literal["", "rattler", "conda", "micromamba"]
    code: Literal["", "uv", "pip"]
    tools: tuple[PipFile, ...]
    stage_python: str

    def tools_values(self) -> dict[str, object] | None:
        """Return what the tools stage needs to know, or None where there is none."""
        if not self.tools:
            return None
        rattler = self.conda == "rattler"
        apt = ["ca-certificates", "python3"] if rattler else ["ca-certificates"]
        return {"python": self.stage_python, "apt": apt, "rattler": rattler, "oldest": STAGE_PYTHON}

    def conda_values(self, plan: Plan) -> dict[str, object] | None:
        """Return what the conda stage needs to know, or None where there is none."""
        if not self.conda:
            return None
        return {"installer": self.conda, "title": _title(plan, "conda"), "python": self.stage_python}

    def pip_values(self, plan: Plan, *, staged: bool) -> dict[str, object] | None:
        """Return what the pip part needs to know, or None where there is none; `staged` asks for a stage of its own."""
        if not self.pip:
            return None
        sources = any(not one.is_wheel for one in plan.selection.pip)
        provider = plan.lock.python.provider if plan.lock.python else ""
        names = {one.package.name for one in plan.selection.pip}
        git = any(one.package.vcs is not None for one in plan.selection.pip)
        return {
            "installer": self.pip,
            "title": _title(plan, "pip"),
            "venv": "" if provider == "conda" else base_python(plan),
            "stage": staged or sources or self.pip == "pip" or bool(self.code),
            "apt": [*(["build-essential"] if sources else []), *(["ca-certificates", "git"] if git else [])],
            "git": git,
            "local": any(_local(plan)),
            "hashed": any(one.package.vcs is None for one in plan.selection.pip),
            "unwanted": sorted({"pip", "setuptools"} - names - {one.name for one in plan.selection.conda}),
            "apt_venv": "" if provider == "conda" else _apt_venv(plan),
        }

    def code_values(self, plan: Plan) -> dict[str, object] | None:
        """Return what the code stage needs to know, or None where there is none."""
        if not self.code:
            return None
        return {
            "installer": self.code,
            "title": _title(plan, "code"),
            "below": "pip" if self.pip else "conda",
            # stages over the one of the tools have them
            "tools": self.code == "uv" and not self.pip and self.conda != "rattler",
        }


def choose_installers(plan: Plan, pip: PipInstaller, conda: CondaInstaller) -> Installers:
    """Return who installs what in the image of `plan`.

    Raises:
        PlanError: an installer that was asked for is not in the lock, or cannot run on the base.
    """
    if plan.definition.user_managed:
        return Installers(pip="", conda="", code="", tools=(), stage_python="")
    conda_side: Literal["", "rattler", "conda", "micromamba"] = conda if plan.selection.conda else ""
    pip_side, code = _pip_side(plan, pip), _installer(plan, pip) if plan.selection.code else ""
    uses_uv = "uv" in (pip_side, code)
    wanted = [name for name, used in (("py-rattler", conda_side == "rattler"), ("uv", uses_uv)) if used]
    if conda_side == "rattler":
        _check_stage_python(plan)
    stage_python = "/usr/bin/python3" if conda_side else base_python(plan)
    tools = _tools(plan, wanted)
    return Installers(pip=pip_side, conda=conda_side, code=code, tools=tools, stage_python=stage_python)


def base_python(plan: Plan) -> str:
    """Return the interpreter that the base or apt brings."""
    python = plan.lock.python
    if python is None or python.provider == "conda":
        return "/usr/bin/python3"
    if python.interpreter:
        return python.interpreter
    return f"/usr/bin/python{python.minor[0]}.{python.minor[1]}" if python.provider == "apt" else "python3"


def build_files(plan: Plan, installers: Installers, *, root: Path, mounts: bool) -> Iterator[ContextFile]:
    """Yield the files under `envbuild/`, each step's in a folder of its own, so that no change reaches another step."""
    if mounts:
        yield _script("secrets.sh", "secrets.sh")
    if installers.tools:
        yield _script("tools/fetch_tools.py", "fetch_tools.py")
        yield _text("tools/tools.txt", "".join(f"{one.filename} {one.sha256} {one.url}\n" for one in installers.tools))
    if installers.conda == "rattler":
        yield _script("conda/install_conda.py", "install_conda.py")
        yield _text("conda/conda.json", conda_listing(plan.selection.conda))
    elif installers.conda:
        yield _text("conda/explicit.txt", write_explicit(plan.lock, plan.selection.platform.subdir))
    if installers.pip:
        yield from _pip_files(plan, root)
    if installers.code:
        yield from _code_files(plan)
    if plan.definition.user_managed and plan.definition.pip:
        yield _script("checks/check_packages.py", "check_packages.py")


def conda_listing(packages: tuple[CondaPackage, ...]) -> str:
    """Return the records that `install_conda.py` reads, as JSON.

    Raises:
        PlanError: a package has neither SHA-256 nor MD5.
    """
    for one in packages:
        if not one.sha256 and not one.md5:
            raise PlanError(f"conda package {one.name} {one.version} has no hash in the lock")
    records = [
        {
            "name": one.name,
            "version": one.version,
            "build": one.build,
            "build_number": one.build_number,
            "subdir": one.subdir,
            "noarch": one.noarch,
            "depends": list(one.depends),
            "constrains": list(one.constrains),
            "sha256": one.sha256,
            "md5": one.md5,
            "size": one.size,
            "file_name": one.filename,
            "url": one.url,
            "channel": one.channel,
        }
        for one in packages
    ]
    return json.dumps(records, indent=1, sort_keys=True) + "\n"


def requirements(plan: Plan) -> tuple[str, str]:
    """Return two requirements files: the one with a hash on every line, and the one of version control, pinned by commit.

    Unlike an exported requirements file, a line has the hashes of the one file that the plan chose, whatever the
    index would prefer.
    """
    lock = plan.lock
    lines = [f"--index-url {_location(lock.index_url)}"] if lock.index_url else []
    lines += [f"--extra-index-url {_location(url)}" for url in lock.further_indexes]
    links = [*_remote_links(plan), *(["/run/envbuild/pip/wheels"] if any(_local(plan)) else [])]
    lines += [f"--find-links {_location(link)}" for link in links]
    hashed = [_hashed_line(one) for one in plan.selection.pip if one.package.vcs is None]
    fixed = [_vcs_line(one) for one in plan.selection.pip if one.package.vcs is not None]
    return _lines([*lines, *hashed]), _lines(fixed)


def _location(url: str) -> str:
    if not is_location(url):
        raise PlanError(f"{url!r} cannot be the value of an option in a requirements file")
    return url


def _lines(lines: list[str]) -> str:
    for line in lines:
        if "\n" in line or "\r" in line:
            raise PlanError(f"{line!r} cannot be a line of a requirements file")
    return "".join(f"{line}\n" for line in lines)


def _hashed_line(chosen: Chosen) -> str:
    package, file = chosen.package, chosen.file
    if file is None:
        raise PlanError(
            f"{package.name} is the folder {package.directory}, which is not in the image",
            hint="build a wheel of it and name that",
        )
    if not file.hashes:
        raise PlanError(f"{package.name} {package.version} has no hash in the lock")
    hashes = " ".join(f"--hash={kind}:{value}" for kind, value in file.hashes if kind in ("sha256", "sha384", "sha512"))
    if package.archive is not None and file.url:
        return f"{package.name} @ {file.url} {hashes}"
    return f"{package.name}=={package.version} {hashes}"


def _vcs_line(chosen: Chosen) -> str:
    package, vcs = chosen.package, chosen.package.vcs
    if vcs is None:
        raise PlanError(f"{package.name} is not from version control")
    part = f"#subdirectory={vcs.subdirectory}" if vcs.subdirectory else ""
    return f"{package.name} @ {vcs.type}+{vcs.url}@{vcs.commit}{part}"


def _remote_links(plan: Plan) -> list[str]:
    return [link for link in plan.definition.index.find_links if link.startswith(("https://", "http://"))]


def _local(plan: Plan) -> Iterator[PipFile]:
    return (one.file for one in plan.selection.pip if one.file is not None and one.file.path)


def _pip_files(plan: Plan, root: Path) -> Iterator[ContextFile]:
    hashed, fixed = requirements(plan)
    yield _text("pip/requirements.txt", hashed)
    if fixed:
        yield _text("pip/requirements-vcs.txt", fixed)
    for file in _local(plan):
        yield ContextFile(path=f"envbuild/pip/wheels/{file.filename}", source=root / file.path, sha256=file.sha256)


def _code_files(plan: Plan) -> Iterator[ContextFile]:
    yield _text("code/requirements.txt", _lines([_hashed_line(one) for one in plan.selection.code]))
    for one in plan.selection.code:
        if one.file is not None:
            yield ContextFile(
                path=f"envbuild/code/{one.file.filename}", source=Path(one.file.path), sha256=one.file.sha256
            )


def _script(path: str, template: str) -> ContextFile:
    content = render_template(f"envbuild/context/{template}.j2", {"prefix": PREFIX})
    return ContextFile(path=f"envbuild/{path}", content=content.encode())


def _text(path: str, text: str) -> ContextFile:
    return ContextFile(path=f"envbuild/{path}", content=text.encode())


def _pip_side(plan: Plan, wanted: PipInstaller) -> PipSide:
    python = plan.lock.python
    if python is None:
        return ""
    installer = _installer(plan, wanted)
    if plan.selection.pip:
        return installer
    if python.provider == "conda":
        return ""
    # pip brings itself into the environment, and what that takes into its stage
    return "pip" if plan.selection.code and installer == "pip" else "venv"


def _installer(plan: Plan, wanted: PipInstaller) -> Literal["uv", "pip"]:
    if wanted != "auto":
        return wanted
    python = plan.lock.python
    has_uv = any(one.name == "uv" for one in plan.lock.tools)
    return "uv" if has_uv and python is not None and python.minor >= OLDEST_UV_PYTHON else "pip"


def _tools(plan: Plan, wanted: list[str]) -> tuple[PipFile, ...]:
    # the tools run on the stage's Python, not on the environment's
    lock = replace(plan.lock, python=LockedPython(version="3.10", provider="base"))
    packages = tuple(one for one in plan.lock.tools if one.name in wanted)
    missing = set(wanted) - {one.name for one in packages}
    if missing:
        raise PlanError(
            f"the lock does not hold {' and '.join(sorted(missing))}, which installs the packages in the image",
            hint="run `envbuild lock` again, or choose another installer",
        )
    files = [one.file for one in choose(packages, lock, plan.selection.platform)]
    return tuple(sorted((one for one in files if one is not None), key=lambda one: one.filename))


def _check_stage_python(plan: Plan) -> None:
    distribution = plan.lock.base.distribution
    version = apt_python(distribution)
    if version and tuple(map(int, version.split("."))) < STAGE_PYTHON:
        raise PlanError(
            Problem(
                message=f"{distribution} has Python {version}; the conda installer rattler needs Python 3.10 or later in its build stage",
                hint="choose a newer base, or the conda installer conda or micromamba of the base",
            )
        )


def _title(plan: Plan, kind: LayerKind) -> str:
    layer = plan.layer(kind)
    return layer.title if layer is not None else "a virtual environment"


def _apt_venv(plan: Plan) -> str:
    python = plan.lock.python
    if python is not None and python.provider == "apt":
        return f"python{python.minor[0]}.{python.minor[1]}-venv"
    return "python3-venv"

"""`[tool.envbuild]` of a pyproject.toml: everything that a definition can say, in our own words (docs/definitions.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from envbuild.core.definition import Base, BuildContext, Definition, Origin
from envbuild.core.errors import DefinitionError
from envbuild.core.names import is_apt_package, is_environment, is_one_line, is_snapshot
from envbuild.read.attestations import read_attestations
from envbuild.read.conda_env import CondaList, parse_conda, read_channels, read_platforms, read_variables
from envbuild.read.findings import Findings, fatal
from envbuild.read.groups import add_extras, add_files, add_group, add_project, add_requirements
from envbuild.read.image_settings import read_image_settings
from envbuild.read.images import check_image
from envbuild.read.nodes import Node, flag, line, many, only_keys, table, text, texts
from envbuild.read.own_code import own_code
from envbuild.read.pip_side import PipSide
from envbuild.read.python_version import is_python_version, python_of
from envbuild.read.sources import Include
from envbuild.read.text import decode

_PACKAGES = ("dependencies", "pip", "requirements", "conda-file", "extras", "groups", "project", "constraints")
_INDEX = (
    "index-url",
    "extra-index-urls",
    "find-links",
    "no-index",
    "pre",
    "only-binary",
    "no-binary",
    "trusted-hosts",
    "index-pins",
)
_IMAGE = (
    "base",
    "registry",
    "dockerfile",
    "build",
    "apt",
    "apt-snapshot",
    "docker-steps",
    "allow-distribution",
    "base-packages",
    "templates",
)
_ABOUT = ("name", "version", "description", "tags", "python", "channels", "platforms", "variables", "run-arguments")
KEYS = (*_ABOUT, *_PACKAGES, *_INDEX, *_IMAGE, "image", "user-managed", "interpreter-path", "attestations")
"""Every key of `[tool.envbuild]` and of `[tool.envbuild.environments.NAME]`; the former has `environments` besides."""


def environments(root: Node) -> tuple[str, ...]:
    """Return the names under `[tool.envbuild.environments]`, in written order, after an empty one if `[tool.envbuild]` is one."""
    own = root.get("tool", "envbuild")
    names = own.get("environments").keys()
    return ("", *names) if _is_one(own) or not names else names


def read_envbuild(root: Node, file: str, findings: Findings, include: Include, environment: str = "") -> Definition:
    """Return the definition called `environment`, or the one that `[tool.envbuild]` itself holds.

    Raises:
        DefinitionError: several environments and none chosen, or one that is not there; files that cannot be read.
    """
    own = root.get("tool", "envbuild")
    only_keys(own, (*KEYS, "environments"), findings, what="[tool.envbuild]")
    for name, node in table(own.get("environments"), findings):
        only_keys(node, KEYS, findings, what=f"[tool.envbuild.environments.{name}]")
        if not is_environment(name):
            findings.refuse(
                node.origin, f"{name!r} cannot name an environment", "letters, digits, `-`, `_` and `.` are accepted"
            )
    chosen = _choose(own, file, environment)
    shared = {key: value for key, value in own.items() if key != "environments"}
    inherited = {**shared, **dict(own.get("environments", chosen).items())} if chosen else shared
    if chosen and not own.get("environments", chosen).has("name"):
        inherited["name"] = Node(value=chosen, origin=own.get("environments", chosen).origin)
    origin = own.get("environments", chosen).origin if chosen else own.origin
    own_table = Node(value=inherited, origin=origin)
    return _Reader(root=root, file=file, table=own_table, findings=findings, include=include).read()


def _choose(own: Node, file: str, environment: str) -> str:
    names = own.get("environments").keys()
    if environment:
        if environment in names:
            return environment
        if not names and text(own.get("name"), Findings()) == environment:
            return ""
        raise fatal(
            f"has no environment {environment!r}",
            file=file,
            hint=f"it has: {', '.join(names) or 'only the one without a name'}",
        )
    if not names or _is_one(own):
        return ""
    if len(names) > 1:
        raise fatal("has several environments", file=file, hint=f"choose one with --environment: {', '.join(names)}")
    return names[0]


def _is_one(own: Node) -> bool:
    """Tell whether `[tool.envbuild]` itself is an environment beside those that it names, not only what they share."""
    return any(own.has(key) for key in _PACKAGES)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    root: Node
    file: str
    table: Node
    findings: Findings
    include: Include

    def read(self) -> Definition:
        conda = CondaList(findings=self.findings, include=self.include)
        started = self._conda_file()
        conda.specs.extend(started.conda)
        conda.side.extend(started)
        conda.read(self.table.get("dependencies"))
        self._pip(conda)
        self._options(conda.side)
        conda.note_overlap()
        channels = read_channels(self.table.get("channels"), self.findings)
        apt = read_apt(self.table.get("apt"), self.findings)
        return replace(
            started,
            kind="pyproject",
            name=self._text("name") or started.name or text(self.root.get("project", "name"), self.findings),
            version=self._text("version"),
            description=self._text("description"),
            python=self._python(conda),
            channels=channels or started.channels,
            conda=tuple(conda.specs),
            pip=tuple(conda.side.requirements),
            constraints=tuple(conda.side.constraints),
            index=conda.side.index(),
            apt=tuple(apt),
            apt_snapshot=self._apt_snapshot(),
            apt_origins=tuple(apt.values()),
            base=self._base(),
            docker_steps=self._lines("docker-steps"),
            variables=read_variables(self.table.get("variables"), self.findings) or started.variables,
            platforms=read_platforms(self.table.get("platforms"), self.findings) or started.platforms,
            user_managed=flag(self.table.get("user-managed"), self.findings),
            interpreter_path=self._line("interpreter-path"),
            allow_distribution=tuple(one.lower() for one in self._lines("allow-distribution")),
            base_packages=self._lines("base-packages"),
            templates=self._line("templates"),
            run_arguments=self._lines("run-arguments"),
            image=read_image_settings(self.table.get("image"), self.findings),
            tags=tuple(
                (key, text(value, self.findings)) for key, value in table(self.table.get("tags"), self.findings)
            ),
            attestations=read_attestations(self.table.get("attestations"), self.findings),
            code=own_code(self.root, self.file) if self._uses_project() else (),
            notes=(),
            origin=self.table.origin,
        )

    def _conda_file(self) -> Definition:
        path = self._line("conda-file")
        if not path:
            return Definition(kind="pyproject")
        try:
            found = parse_conda(decode(self.include(path), path), path, self.include)
        except DefinitionError as error:
            self.findings.problems.extend(error.problems)
            return Definition(kind="pyproject")
        self.findings.notes.extend(found.notes)
        return found

    def _pip(self, conda: CondaList) -> None:
        wanted = self.table
        if wanted.get("pip"):
            conda.pip(wanted.get("pip"))
        if wanted.get("requirements"):
            add_files(wanted.get("requirements"), conda.side, self.findings, self.include)
        if self._uses_project():
            add_project(self.root, conda.side, self.findings, self.include)
        add_extras(self.root, list(many(wanted.get("extras"), self.findings)), conda.side, self.findings)
        for group in many(wanted.get("groups"), self.findings):
            add_group(self.root, text(group, self.findings), group.origin, conda.side, self.findings)
        if wanted.get("constraints"):
            self._constraints(wanted.get("constraints"), conda.side)

    def _constraints(self, node: Node, side: PipSide) -> None:
        files = [node] if isinstance(node.value, str) else [one for one in many(node, self.findings) if _is_file(one)]
        lines = [one for one in node if not _is_file(one)]
        for file in files:
            add_files(file, side, self.findings, self.include, constraint=True)
        add_requirements(Node(value=lines, origin=node.origin), side, self.findings, constraint=True)

    def _uses_project(self) -> bool:
        node = self.table.get("project")
        if node.value is not None:
            return flag(node, self.findings)
        if self.table.get("extras"):
            return True
        named = ("dependencies", "pip", "requirements", "conda-file", "groups")
        return bool(self.root.get("project")) and not any(self.table.has(key) for key in named)

    def _python(self, conda: CondaList) -> str:
        node = self.table.get("python")
        written = text(node, self.findings, "a version").strip()
        if isinstance(node.value, float):
            self.findings.note(node.origin, f"is a number; it is read as {written}", f'write python = "{written}"')
        if written and not is_python_version(written):
            self.findings.refuse(
                node.origin, f"{written!r} is not a version of Python", "write 3.11, ==3.11.4 or >=3.10,<3.13"
            )
        if written or python_of(conda.specs) or not self._uses_project():
            return written or python_of(conda.specs)
        return text(self.root.get("project", "requires-python"), self.findings).replace(" ", "")

    def _options(self, side: PipSide) -> None:
        at = self.table.get
        for key, option in (
            ("extra-index-urls", "--extra-index-url"),
            ("find-links", "--find-links"),
            ("trusted-hosts", "--trusted-host"),
        ):
            for node in many(at(key), self.findings):
                side.option(option, text(node, self.findings), node.origin, self.findings)
        if url := self._line("index-url"):
            side.option("--index-url", url, at("index-url").origin, self.findings)
        for key in ("only-binary", "no-binary"):
            for node in many(at(key), self.findings):
                side.option(f"--{key}", text(node, self.findings), node.origin, self.findings)
        for name, node in table(at("index-pins"), self.findings):
            side.pin(name, text(node, self.findings), node.origin, self.findings)
        side.no_index = flag(at("no-index"), self.findings) or side.no_index
        side.pre = flag(at("pre"), self.findings) or side.pre

    def _base(self) -> Base:
        image, dockerfile, build = self._line("base"), self._line("dockerfile"), self.table.get("build")
        if sum(map(bool, (image, dockerfile, build))) > 1:
            self.findings.refuse(
                self.table.origin, "names more than one of base, dockerfile and build", "keep one of them"
            )
            return Base()
        if image:
            check_image(image, self.table.get("base").origin, self.findings)
            return Base(image=image, registry=self._line("registry"))
        if dockerfile:
            return Base(dockerfile=decode(self.include(dockerfile), dockerfile))
        if not build:
            return Base()
        if not isinstance(build.value, str):
            table(build, self.findings)
        only_keys(build, ("path", "dockerfile"), self.findings, what="build")
        path = line(build if isinstance(build.value, str) else build.get("path"), self.findings) or "."
        name = line(build.get("dockerfile"), self.findings) or "Dockerfile"
        return Base(context=BuildContext(path=path, dockerfile_path=str(PurePosixPath(name))))

    def _apt_snapshot(self) -> str:
        written = self._line("apt-snapshot")
        if written and not is_snapshot(written):
            self.findings.refuse(
                self.table.get("apt-snapshot").origin,
                f"{written!r} is no day of an archive",
                'a day ("2026-11-21") or "none" is accepted',
            )
            return ""
        return written

    def _text(self, key: str) -> str:
        return text(self.table.get(key), self.findings).strip()

    def _line(self, key: str) -> str:
        written = self._text(key)
        if not is_one_line(written):
            self.findings.refuse(self.table.get(key).origin, "holds a line break or another control character")
            return ""
        return written

    def _lines(self, key: str) -> tuple[str, ...]:
        node = self.table.get(key)
        found = (text(node, self.findings),) if isinstance(node.value, str) else texts(node, self.findings)
        return tuple(line for one in found for line in one.splitlines() if line.strip())


def _is_file(node: Node) -> bool:
    return isinstance(node.value, str) and node.value.lower().endswith((".txt", ".in"))


def read_apt(node: Node, findings: Findings) -> dict[str, Origin]:
    """Return the apt packages in written order, each once, and where it stands."""
    found: dict[str, Origin] = {}
    for entry in many(node, findings, "apt packages"):
        name = text(entry, findings).strip()
        if not is_apt_package(name):
            findings.refuse(entry.origin, f"{name!r} is not an apt package", "write name or name=version")
        else:
            found.setdefault(name, entry.origin)
    return found

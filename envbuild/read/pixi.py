"""`pixi.toml` and `[tool.pixi]`: conda and index packages of one environment, made of features."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from envbuild.core.definition import Definition
from envbuild.read.conda_env import CondaList, read_channels, read_platforms, read_variables
from envbuild.read.findings import Findings, fatal
from envbuild.read.groups import add_extras, add_group, add_project
from envbuild.read.keyed import keyed_requirement, pep440
from envbuild.read.nodes import Node, many, table, text, texts
from envbuild.read.python_version import python_of
from envbuild.read.selectors import SELECTORS, marker_of
from envbuild.read.sources import Include

_SOURCE = ("path", "git", "url")


def read_pixi(root: Node, pixi: Node, findings: Findings, include: Include, environment: str = "") -> Definition:
    """Return the environment called `environment` (pixi's own default: `default`) of the manifest `pixi`.

    `root` is the whole file: in a pyproject.toml the project's own dependencies belong to the default feature.
    """
    workspace = pixi.get("workspace") or pixi.get("project")
    file = pixi.origin.file
    if not workspace:
        raise fatal(
            "defines a package, not an environment: it has no [workspace]",
            file=file,
            hint="give the workspace's manifest",
        )
    _check_workspace(workspace, findings)
    reader = _Pixi(root=root, pixi=pixi, findings=findings, include=include)
    names = reader.features(environment, file)
    for name in names:
        reader.feature(name)
    _check_tasks(pixi, findings)
    conda = reader.conda
    if not conda.specs and not conda.side.requirements and not findings.problems:
        others = [name for name, _ in pixi.get("environments").items() if name != environment]
        hint = (
            f"choose another with --environment: {', '.join(others)}"
            if others
            else "list packages under [dependencies]"
        )
        raise fatal("has no dependencies", file=file, hint=hint)
    channels = [
        *(one for name in names for one in reader.feature_node(name).get("channels")),
        *workspace.get("channels"),
    ]
    platforms = next(
        (node for name in names if (node := reader.feature_node(name).get("platforms"))), workspace.get("platforms")
    )
    return Definition(
        kind="pixi",
        name=text(workspace.get("name"), findings) or text(root.get("project", "name"), findings),
        description=text(workspace.get("description"), findings),
        python=python_of(conda.specs) or text(root.get("project", "requires-python"), findings).replace(" ", ""),
        channels=read_channels(Node(value=[_named(one, "channel") for one in channels]), findings),
        conda=tuple(conda.specs),
        pip=tuple(conda.side.requirements),
        index=conda.side.index(),
        variables=read_variables(pixi.get("activation", "env"), findings),
        platforms=read_platforms(
            Node(value=[_named(one, "platform") for one in platforms], origin=platforms.origin), findings
        ),
        origin=workspace.origin,
    )


def _check_workspace(workspace: Node, findings: Findings) -> None:
    if not workspace.has("channels"):
        findings.refuse(workspace.origin, "names no channels", 'write channels = ["conda-forge"]')
    for platform in workspace.get("platforms"):
        name = text(platform.get("name"), findings)
        if name and not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            findings.refuse(
                platform.origin, f"{name!r} cannot name a platform", "letters, digits, `-` and `_` are accepted"
            )
    mapping = workspace.get("conda-pypi-map")
    for value in (one for _, one in mapping.items()):
        if value.value is True or not isinstance(value.value, str | dict | bool):
            findings.refuse(value.origin, f"is {value.source or value.kind}; a file's name, a table or false is needed")
    if mapping.value is True:
        findings.refuse(mapping.origin, "is true; a table or false is needed")


def _check_tasks(pixi: Node, findings: Findings) -> None:
    for task in (one for _, one in pixi.get("tasks").items()):
        for argument in task.get("args"):
            name = text(argument.get("arg") if argument.is_map else argument, findings)
            if name in ("pixi", ""):
                findings.refuse(argument.origin, f"{name!r} cannot name an argument of a task")
            choices = argument.get("choices")
            if isinstance(choices.value, list) and (
                not choices.value or any(not isinstance(one.value, str) for one in choices)
            ):
                findings.refuse(choices.origin, "offers no texts to choose from")


def _named(node: Node, key: str) -> Node:
    return node.get(key) if node.is_map else node


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pixi:
    root: Node
    pixi: Node
    findings: Findings
    include: Include
    conda: CondaList = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "conda", CondaList(findings=self.findings, include=self.include))

    def features(self, environment: str, file: str) -> tuple[str, ...]:
        """Return the features of `environment`, the default one, called by an empty name, last (pixi's order of precedence)."""
        named = self.pixi.get("environments")
        wanted = environment or "default"
        if not named.has(wanted):
            if environment and not self.pixi.get("feature").has(environment):
                raise fatal(
                    f"has no environment {environment!r}", file=file, hint=f"it has: default, {', '.join(named.keys())}"
                )
            return (environment, "") if environment else ("",)
        node = named.get(wanted)
        own = texts(node.get("features") if node.is_map else node, self.findings)
        return own if node.get("no-default-feature").value is True else (*own, "")

    def feature_node(self, name: str) -> Node:
        return self.pixi.get("feature", name) if name else self.pixi

    def feature(self, name: str) -> None:
        """Read the packages of one feature, and of its targets."""
        node = self.feature_node(name)
        if name and not node:
            self._from_project(name)
            return
        if not name and self.root is not self.pixi and self.root.get("project"):
            add_project(self.root, self.conda.side, self.findings, self.include)
        self._packages(node, "")
        for target, inner in table(node.get("target"), self.findings):
            if target in SELECTORS:
                self._packages(inner, target)
            elif inner.get("dependencies") or inner.get("pypi-dependencies"):
                self.findings.refuse(inner.origin, f"{target!r} is not a target", f"one of {', '.join(SELECTORS)}")
        self._options(node.get("pypi-options"))
        if node.get("system-requirements"):
            self.findings.note(
                node.get("system-requirements").origin, "has no effect: virtual packages are options of `lock`"
            )

    def _from_project(self, name: str) -> None:
        origin = self.pixi.get("environments").origin
        if self.root.get("dependency-groups").has(name):
            add_group(self.root, name, origin, self.conda.side, self.findings)
        elif self.root.get("project", "optional-dependencies").has(name):
            add_extras(self.root, [Node(value=name, origin=origin)], self.conda.side, self.findings)
        else:
            self.findings.refuse(origin, f"names the feature {name!r}, which does not exist")

    def _packages(self, node: Node, target: str) -> None:
        for key in ("dependencies", "host-dependencies", "build-dependencies"):
            for name, value in table(node.get(key), self.findings):
                self._conda(name, value, target)
        marker = marker_of(target) if target else ""
        for name, value in table(node.get("pypi-dependencies"), self.findings):
            if index := text(value.get("index"), self.findings):
                self.conda.side.pin(name, index, value.get("index").origin, self.findings, marker=marker)
            found = keyed_requirement(name, value, pep440, self.findings, marker=marker)
            if found is not None:
                self.conda.side.add(found)

    def _conda(self, name: str, node: Node, target: str) -> None:
        source = next((key for key in _SOURCE if node.get(key)), "")
        if source == "url":
            self.conda.spec(text(node.get("url"), self.findings), node.origin, SELECTORS.get(target, ()))
        elif source:
            message = f"{name} is built from source by pixi ({source} = {node.get(source).source!r}); only built packages are taken"
            self.findings.refuse(
                node.origin, message, "name a channel that has it, or put it under [pypi-dependencies]"
            )
        elif node.get("when"):
            self.findings.refuse(
                node.get("when").origin, f"{name} has a condition, which is not supported", "write a [target.…] table"
            )
        else:
            self.conda.spec(spec_text(name, node, self.findings), node.origin, SELECTORS.get(target, ()))

    def _options(self, options: Node) -> None:
        side, findings = self.conda.side, self.findings
        for name, url in _index_options(options, findings):
            side.option(name, url, options.origin, findings)


def _index_options(options: Node, findings: Findings) -> Iterator[tuple[str, str]]:
    if url := text(options.get("index-url"), findings):
        yield "--index-url", url
    for url in texts(options.get("extra-index-urls"), findings):
        yield "--extra-index-url", url
    for link in many(options.get("find-links"), findings):
        yield (
            "--find-links",
            text((link.get("url") or link.get("path")) if link.is_map else link, findings),
        )


def spec_text(name: str, node: Node, findings: Findings) -> str:
    """Return the MatchSpec of `name = "…"` or `name = {version = …}` (pixi, conda-lock)."""
    version = text(node.get("version") if node.is_map else node, findings).strip()
    pairs = {key.replace("-", "_"): text(value, findings) for key, value in node.items() if key in _CONDITIONS}
    channel = pairs.pop("channel", "")
    conditions = "".join(f",{key}='{value}'" for key, value in pairs.items()).lstrip(",")
    versioned = "" if version in ("", "*") else f" {version}"
    head = f"{channel}::{name}" if channel else name
    return f"{head}{versioned}[{conditions}]" if conditions else f"{head}{versioned}"


_CONDITIONS = ("channel", "build", "build-number", "subdir", "md5", "sha256", "license", "file-name")

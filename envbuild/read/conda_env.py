"""conda's `environment.yml`, with what conda-lock and mamba add to it, and what people write in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from envbuild.core.definition import CondaSpec, Definition, Origin, PipRequirement
from envbuild.core.errors import DefinitionError
from envbuild.core.names import is_one_line, is_variable, normalize
from envbuild.core.platforms import parse_platform
from envbuild.read.findings import Findings, fatal
from envbuild.read.matchspec import MatchSpecError, parse_matchspec
from envbuild.read.nodes import Node, line, many, only_keys, table, text
from envbuild.read.pip_side import PipSide
from envbuild.read.python_version import python_of
from envbuild.read.selectors import SELECTORS, marker_of, selector_of
from envbuild.read.sources import Include
from envbuild.read.template import find_template, template_error
from envbuild.read.text import mend
from envbuild.read.urls import has_credentials

KEYS = (
    "name",
    "channels",
    "dependencies",
    "prefix",
    "variables",
    "platforms",
    "category",
    "pip-repositories",
    "allow-pypi-requests",
)
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS?)(?:_|$)", re.IGNORECASE
)
LOCK_KEYS = frozenset({"metadata", "package", "packages", "environments"})


def parse_conda(text: str, file: str, include: Include) -> Definition:
    """Return what the conda environment file `text`, called `file`, says; `include` gives files that its `pip:` names.

    Raises:
        DefinitionError: every problem of the file.
    """
    findings = Findings()
    mended = mend(text, file, findings)
    if (found := find_template(mended)) is not None:
        raise template_error(found[1], file, found[0])
    # here, because pyproject.toml shares this module's list of specs and needs no YAML
    from envbuild.read.yaml_nodes import parse_yaml

    root = parse_yaml(mended, file, findings)
    definition = read_conda(root, findings, include, lines=mended.splitlines())
    return replace(definition, notes=findings.close())


def read_conda(root: Node, findings: Findings, include: Include, *, lines: list[str] | None = None) -> Definition:
    """Return what the map `root` says, wherever it stood; `lines` are the file's, for selectors in comments."""
    _check_shape(root)
    only_keys(root, KEYS, findings, what="a conda environment file")
    reader = CondaList(findings=findings, include=include, lines=lines or [])
    reader.read(root.get("dependencies"))
    side = reader.side
    if side.requirements and not any(spec.name == "pip" for spec in reader.specs):
        message = "`pip:` stands without `pip` among the dependencies; pip's side is installed all the same"
        findings.note(side.requirements[0].origin, message)
    for node in many(root.get("pip-repositories"), findings):
        side.option("--extra-index-url", text(node, findings), node.origin, findings)
    _note_without_effect(root, findings)
    reader.note_overlap()
    return Definition(
        kind="conda",
        name=line(root.get("name"), findings),
        python=python_of(reader.specs),
        channels=read_channels(root.get("channels"), findings),
        conda=tuple(reader.specs),
        pip=tuple(side.requirements),
        constraints=tuple(side.constraints),
        index=side.index(),
        variables=read_variables(root.get("variables"), findings),
        platforms=read_platforms(root.get("platforms"), findings),
        origin=root.origin,
    )


def _check_shape(root: Node) -> None:
    file, at = root.origin.file, root.origin.line
    if not root:
        raise fatal("is empty", file=file, hint="a conda environment file has `channels:` and `dependencies:`")
    if not root.is_map:
        hint = "begin with `dependencies:`, and indent nothing before it"
        raise fatal(f"is a {root.kind}; a map with `dependencies:` is needed", file=file, line=at, hint=hint)
    if root.has("dependencies") and not isinstance(root.get("dependencies").value, list):
        node = root.get("dependencies")
        found = "has no entries" if node.value is None else f"is a {node.kind}; a list is needed"
        raise fatal(
            f"dependencies {found}", file=file, line=node.origin.line, hint="write each package as `- name=version`"
        )
    if not root.has("dependencies") and not set(root.keys()) - set(KEYS):
        raise fatal("has no `dependencies:`", file=file, line=at, hint="list the packages under `dependencies:`")


def _note_without_effect(root: Node, findings: Findings) -> None:
    reasons = {
        "prefix": "the place is chosen by envbuild",
        "category": "an environment has no categories here",
        "allow-pypi-requests": "names are never looked up over the network",
    }
    for key, reason in reasons.items():
        if root.has(key):
            findings.note(root.get(key).origin, f"has no effect: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaList:
    """Reads a list of conda dependencies, with `pip:` maps inside, into `specs` and `side`."""

    findings: Findings
    include: Include
    lines: list[str] = field(default_factory=list)
    specs: list[CondaSpec] = field(default_factory=list)
    side: PipSide = field(default_factory=PipSide)

    def read(self, entries: Node) -> None:
        """Read every entry of `entries`."""
        seen_pip: Origin | None = None
        for entry in many(entries, self.findings):
            if entry.is_map and entry.has("pip"):
                if seen_pip is not None:
                    self.findings.note(entry.origin, "`pip:` stands here a second time; both lists are read")
                seen_pip = entry.origin
            self.entry(entry)

    def entry(self, entry: Node) -> None:
        """Read one dependency: a spec, a `pip:` map, or a `sel(…):` map."""
        if entry.is_map:
            for key, value in table(entry, self.findings):
                self._keyed(key, value, entry)
        elif isinstance(entry.value, str):
            self.spec(entry.value, entry.origin, SELECTORS.get(self._selector(entry.origin), ()))
        elif not entry:
            self.findings.note(entry.origin, "is empty; it is left out")
        else:
            hint = "write name=version, for example python=3.10"
            self.findings.refuse(
                entry.origin, f"{entry.source or entry.kind} is a {entry.kind}; a package is needed", hint
            )

    def _keyed(self, key: str, value: Node, entry: Node) -> None:
        if key == "pip":
            self.pip(value)
        elif key.startswith("sel(") and key.endswith(")") and key[4:-1] in SELECTORS:
            for one in value if isinstance(value.value, list) else (value,):
                self.spec(text(one, self.findings), one.origin, SELECTORS[key[4:-1]])
        elif isinstance(value.value, dict | list) or value.value is None:
            self.findings.refuse(
                entry.origin, f"{key!r} is not a kind of dependency", "only `pip:` may have a list of its own"
            )
        else:
            self.findings.refuse(
                entry.origin, f"'{key}: {value.source}' is a map; a package is needed", f"write {key}={value.source}"
            )

    def spec(self, written: str, at: Origin, platforms: tuple[str, ...] = ()) -> None:
        """Read one MatchSpec for `platforms`."""
        if not is_one_line(written):
            self.findings.refuse(at, f"{written[:80]!r} holds a line break or another control character")
            return
        try:
            found = parse_matchspec(written, at)
        except MatchSpecError as error:
            self.findings.refuse(at, str(error), error.hint)
            return
        for mended in found.mended:
            self.findings.note(at, mended)
        self.specs.append(replace(found.spec, platforms=platforms) if platforms else found.spec)

    def pip(self, value: Node) -> None:
        """Read what stands under `pip:`: lines of a requirements file."""
        if not value:
            self.findings.note(value.origin, "`pip:` has no entries")
        elif isinstance(value.value, str):
            self.findings.note(value.origin, "`pip:` is one text; it is read as a list of its lines")
            self.pip_entry(value)
        else:
            for entry in many(value, self.findings, "requirements"):
                self.pip_entry(entry)

    def pip_entry(self, entry: Node) -> None:
        """Read one entry of a `pip:` list."""
        # `packaging` is only loaded where there is a pip side
        from envbuild.read.requirements_txt import read_entry

        if isinstance(entry.value, str):
            selector = self._selector(entry.origin)
            before = len(self.side.requirements)
            read_entry(entry.value, entry.origin, self.include, self.findings, self.side)
            if selector:
                self.side.requirements[before:] = [_only(one, selector) for one in self.side.requirements[before:]]
        elif not entry:
            self.findings.note(entry.origin, "is empty; it is left out")
        elif entry.is_map and len(entry.keys()) == 1:
            key, value = next(iter(entry.items()))
            self.findings.refuse(
                entry.origin,
                f"'{key}: {value.source}' is a map; a requirement is needed",
                f"write {key}=={value.source}",
            )
        else:
            self.findings.refuse(entry.origin, f"is a {entry.kind}; a requirement is needed", "write name==version")

    def _selector(self, at: Origin) -> str:
        return selector_of(self.lines[at.line - 1]) if at.line is not None and at.line <= len(self.lines) else ""

    def note_overlap(self) -> None:
        """Note each distribution that both sides ask for."""
        conda = {normalize(spec.name): spec for spec in self.specs}
        for one in self.side.requirements:
            if one.name and one.name in conda:
                message = f"{one.name} is asked of conda as well ({conda[one.name].text}); conda's is installed, and must satisfy both"
                self.findings.note(one.origin, message)


def _only(one: PipRequirement, selector: str) -> PipRequirement:
    marker = marker_of(selector)
    whole = f"({one.marker}) and {marker}" if one.marker else marker
    body = one.text.partition(" ; ")[0] if one.kind != "name" else one.text.partition(";")[0].strip()
    return replace(one, marker=whole, text=f"{body} ; {whole}" if one.kind != "name" else f"{body}; {whole}")


def read_channels(node: Node, findings: Findings) -> tuple[str, ...]:
    """Return the channels in written order, each once; `nodefaults`, which is no channel, is left out with a note."""
    if node.value is None and node.origin.key.endswith("channels"):
        findings.refuse(node.origin, "has no entries", "name at least one channel, or leave `channels:` out")
    entries = (node,) if isinstance(node.value, str) else many(node, findings, "channels")
    if isinstance(node.value, str):
        findings.note(node.origin, "is one text; it is read as a list of one channel")
    channels: list[str] = []
    for entry in entries:
        name = _channel(entry, findings)
        if name == "nodefaults":
            findings.note(entry.origin, "nodefaults has no effect: no channel is ever added to those that are written")
        elif name and name not in channels:
            channels.append(name)
    return tuple(channels)


def _channel(entry: Node, findings: Findings) -> str:
    name = text(entry, findings, "a channel's name or URL").strip()
    if has_credentials(name):
        findings.refuse(
            entry.origin, f"channel {name} holds a credential; a definition never does", "write ${NAME} in its place"
        )
        return ""
    if not is_one_line(name) or any(one in name for one in " \t'\"\\`<>|;"):
        findings.refuse(entry.origin, f"channel {name!r} is neither a name nor a URL")
        return ""
    return name if name == "/" or "://" not in name else name.rstrip("/")


def read_variables(node: Node, findings: Findings) -> tuple[tuple[str, str], ...]:
    """Return environment variables in written order."""
    found: list[tuple[str, str]] = []
    for key, value in table(node, findings):
        written = text(value, findings)
        if not is_variable(key):
            findings.refuse(
                value.origin, f"{key!r} cannot name an environment variable", "letters, digits and `_` are accepted"
            )
        elif not is_one_line(written):
            findings.refuse(value.origin, "holds a line break or another control character")
        else:
            if _SECRET_NAME.search(key) and written:
                message = f"{key} is named like a secret; its value can be read by whoever has the image"
                findings.note(value.origin, message, "give it to the container when it starts")
            found.append((key, written))
    return tuple(found)


def read_platforms(node: Node, findings: Findings) -> tuple[str, ...]:
    """Return conda subdirs in written order, each once."""
    found: list[str] = []
    for entry in many(node, findings, "platforms"):
        try:
            subdir = parse_platform(text(entry, findings)).subdir
        except DefinitionError as error:
            findings.refuse(entry.origin, error.problems[0].message, error.problems[0].hint)
            continue
        if subdir not in found:
            found.append(subdir)
    return tuple(found)

"""Real environments and real Dockerfiles, planned and rendered: `python -m benchmarks.image --part rendered [--contexts DIR]`.

Every v1 and v2 environment of `../shared/corpus/open.tar.xz`, and every Dockerfile below DIR (say, checkouts of public
repositories), once as a build context and once as the text of a base Dockerfile, is read, planned on a made-up lock and
rendered. What comes out is read by BuildKit's own parser (the `dockerfile` package) and held against what went in: no
instruction of the user's is lost or changed but for pinned images and moved sources. Nothing is built, nobody is asked.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dockerfile as buildkit

from benchmarks.corpus import ARCHIVE, primary_files, unpacked
from benchmarks.corpus import reason as reading_reason
from benchmarks.timing import Count
from envbuild.core.definition import Definition, PipRequirement
from envbuild.core.errors import EnvbuildError
from envbuild.core.keys import sha256
from envbuild.core.lock import (
    CondaPackage,
    Lock,
    LockedApt,
    LockedBase,
    LockedPython,
    PipFile,
    PipPackage,
    Vcs,
)
from envbuild.core.plan import make_plan
from envbuild.read import read_definition
from envbuild.render import render
from envbuild.solve.base_name import base_reference

DIGEST = f"sha256:{sha256(b'made up')}"
HASH = sha256(b"made up as well")
SUFFIXES = (".md", ".py", ".sh", ".yml", ".yaml", ".template", ".json", ".rst", ".dockerignore")

INSTRUCTIONS = frozenset(
    [
        "FROM",
        "RUN",
        "CMD",
        "LABEL",
        "MAINTAINER",
        "EXPOSE",
        "ENV",
        "ADD",
        "COPY",
        "ENTRYPOINT",
        "VOLUME",
        "USER",
        "WORKDIR",
        "ARG",
        "ONBUILD",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "SHELL",
    ]
)
"""BuildKit's parser reads the lines of others too."""

REASONS = {
    "no FROM": r"has no FROM",
    "another escape character": r"`# escape=` directive",
    "a folder of this machine": r"is the folder .*, which is not in the image|cannot be the value of an option",
    "the build context is not there": r"the build context .* is not there",
    "a template": r"is a template|is not an image reference|\{\{",
    "a stage of ours": r"has a name that starts with",
}
"""Reason → pattern of the message, for what is refused after the definition was understood."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the definitions of one kind."""

    rendered: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.rendered + sum(self.refused.values()) + len(self.wrong)


def rows(contexts: Path | None) -> Iterator[Count]:
    """Yield a row for each kind: how many were rendered well or refused with a listed reason, of all."""
    tallies: dict[str, Tally] = {}
    if ARCHIVE.is_file():
        folder = unpacked(ARCHIVE)
        for kind, path in primary_files(folder):
            if kind in ("v1_env", "v2_env"):
                put_through(path, tallies.setdefault(kind, Tally()), str(path.relative_to(folder)))
    for path in dockerfiles(contexts) if contexts is not None else ():
        for kind, make in KINDS.items():
            with tempfile.TemporaryDirectory(prefix="envbuild-rendered-") as temporary:
                definition = make(path, Path(temporary))
                put_through(definition, tallies.setdefault(kind, Tally()), str(path.relative_to(contexts)))
    for kind, tally in tallies.items():
        for one in tally.wrong:
            print(f"{kind}: {one}", file=sys.stderr)
        notes = {"rendered": tally.rendered, **{f"refused: {name}": n for name, n in tally.refused.most_common()}}
        found = tally.rendered + sum(tally.refused.values())
        yield Count(what=f"{kind}: rendered or refused with a reason", found=found, wanted=tally.total, notes=notes)


def dockerfiles(folder: Path) -> Iterator[Path]:
    """Yield every Dockerfile below `folder`."""
    for path in sorted(folder.rglob("*")):
        if "dockerfile" in path.name.lower() and not path.name.lower().endswith(SUFFIXES) and path.is_file():
            yield path


def _definition(folder: Path, settings: Mapping[str, object]) -> Path:
    path = folder / "pyproject.toml"
    lines = ["[tool.envbuild]", 'python = "3.11"', 'pip = ["six"]', 'allow-distribution = ["debian"]']
    lines += [f"{name} = {_toml(value)}" for name, value in settings.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {json.dumps(one)}" for name, one in value.items()) + " }"
    return json.dumps(value)


def _filled(path: Path) -> None:
    """Write a tag where azureml-assets has a template for one, as its own release does."""
    path.write_bytes(re.sub(rb"\{\{.*?\}\}", b"20260101.v1", path.read_bytes()))


def as_context(path: Path, folder: Path) -> Path:
    """Write a definition whose build context is the folder of the Dockerfile `path`."""
    shutil.copytree(path.parent, folder / "context", symlinks=True)
    _filled(folder / "context" / path.name)
    return _definition(folder, {"build": {"path": "context", "dockerfile": path.name}})


def as_text(path: Path, folder: Path) -> Path:
    """Write a definition whose base is the text of the Dockerfile `path`."""
    shutil.copy(path, folder / "base.Dockerfile")
    _filled(folder / "base.Dockerfile")
    return _definition(folder, {"dockerfile": "base.Dockerfile"})


KINDS: dict[str, Callable[[Path, Path], Path]] = {"build context": as_context, "base Dockerfile": as_text}


def put_through(definition: Path, tally: Tally, name: str) -> None:
    """Read, plan and render `definition`, hold the result against its own Dockerfile, and count."""
    try:
        found = read_definition(definition)
        folder = definition if definition.is_dir() else definition.parent
        plan = make_plan(found, made_up_lock(found, folder))
        text = render(plan, root=folder).dockerfile
    except EnvbuildError as error:
        message = "; ".join(one.message for one in error.problems)
        reasons = (what for what, pattern in REASONS.items() if re.search(pattern, message))
        known = next(reasons, "") or reading_reason([{"message": one.message} for one in error.problems])
        if known:
            tally.refused[known] += 1
        else:
            tally.wrong.append(f"{name}: refused without a listed reason: {message}")
        return
    except Exception:  # noqa: BLE001 (a defect is what is looked for)
        tally.wrong.append(f"{name}: {traceback.format_exc()}")
        return
    problem = judged(text, _own_text(found, folder))
    if problem:
        tally.wrong.append(f"{name}: {problem}")
    else:
        tally.rendered += 1


def _own_text(definition: Definition, folder: Path) -> str:
    context = definition.base.context
    if context is None:
        return definition.base.dockerfile
    return (folder / context.path / context.dockerfile_path).read_text("utf-8", "replace")


def judged(text: str, own: str) -> str:
    """Return what is wrong with the rendered `text`, whose base is the Dockerfile `own` if any; nothing where all is well."""
    try:
        parsed = buildkit.parse_string(text)
    except buildkit.GoParseError as error:
        return f"BuildKit cannot read it: {error}"
    if unknown := {one.cmd.upper() for one in parsed} - INSTRUCTIONS:
        return f"{', '.join(sorted(unknown))} is no instruction"
    stages = [one for one in parsed if one.cmd.upper() == "FROM"]
    if stages[-1].value[-1] not in ("envbuild-image", "envbuild-base"):
        return f"its last stage is {stages[-1].value}"
    try:
        before = buildkit.parse_string(own) if own else ()
    except buildkit.GoParseError as error:
        return f"BuildKit cannot read the original: {error}"
    changed = (pair for pair in zip(before, parsed, strict=False) if _kept(pair[0]) != _kept(pair[1]))
    if (pair := next(changed, None)) is not None:
        return f"{pair[0].original!r} became {pair[1].original!r}"
    return "" if len(before) < len(parsed) else "instructions are missing"


def _kept(instruction: buildkit.Command) -> object:
    """Return what of an instruction of the user's may not change: all but pinned images and the sources of files."""
    name, value = instruction.cmd.upper(), instruction.value
    flags = [one for one in instruction.flags if not one.startswith("--mount")]
    if name == "FROM":
        return name, flags
    return (name, flags, len(value), value[-1]) if name in ("COPY", "ADD") else (name, flags, value)


def made_up_lock(definition: Definition, folder: Path) -> Lock:
    """Return a lock with one version of everything that `definition` asks for: what is rendered, not what is true."""
    conda = tuple(_conda(spec.name) for spec in definition.conda)
    python = LockedPython(version="3.11.9" if conda else "3.11", provider="conda" if conda else "base")
    asks = bool(conda or definition.pip or definition.python)
    return Lock(
        definition_hash=definition.hash,
        platforms=("linux-64",),
        channels=definition.channels,
        conda=conda,
        pip=tuple(_pip(one) for one in definition.pip if one.name),
        python=python if asks else None,
        base=LockedBase(reference=base_reference(definition, folder), digest=DIGEST),
        apt=LockedApt(packages=definition.apt),
        index_url=definition.index.index_url,
        tools=(_pip(PipRequirement(text="uv", name="uv")), _pip(PipRequirement(text="py-rattler", name="py-rattler"))),
    )


def _conda(name: str) -> CondaPackage:
    channel = "https://conda.example/channel"
    return CondaPackage(
        name=name,
        version="1.0",
        build="0",
        platform="linux-64",
        subdir="noarch",
        channel=channel,
        url=f"{channel}/noarch/{name}-1.0-0.conda",
        sha256=HASH,
    )


def _pip(wanted: PipRequirement) -> PipPackage:
    if wanted.kind == "vcs":
        vcs = Vcs(type="git", url="https://git.example/repository", commit="a" * 40)
        return PipPackage(name=wanted.name, version="1.0", vcs=vcs)
    filename = f"{wanted.name.replace('-', '_')}-1.0-py3-none-any.whl"
    file = PipFile(filename=filename, url=f"https://files.example/{filename}", hashes=(("sha256", HASH),))
    return PipPackage(name=wanted.name, version="1.0", wheels=(file,))

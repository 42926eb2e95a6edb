"""No text in any field of any kind of definition becomes an instruction, a second shell word, an option or another file."""

from __future__ import annotations

from collections import Counter

import pytest

from envbuild.context import Context
from envbuild.core.definition import Definition
from envbuild.core.errors import EnvbuildError
from envbuild.core.lock import CondaPackage, Lock, LockedApt, LockedBase, LockedPython, PipFile, PipPackage
from envbuild.core.plan import Plan, make_plan
from envbuild.render import RenderOptions, render
from tests.security.fields import FIELDS, IMAGE
from tests.security.hostile import HOSTILE
from tests.security.judge import complaints, docker_value, instructions, shell_complaints

DIGEST = "sha256:" + "ab" * 32
HASHES = (("sha256", "cd" * 32),)


def wheel(name: str, version: str = "1.0", tag: str = "py3-none-any") -> PipPackage:
    filename = f"{name.replace('-', '_')}-{version}-{tag}.whl"
    url = f"https://files.example/{filename}"
    return PipPackage(name=name, version=version, wheels=(PipFile(filename=filename, url=url, hashes=HASHES),))


def conda_package(name: str) -> CondaPackage:
    url = f"https://conda.example/channel/linux-64/{name}-3.11.1-h_0.conda"
    return CondaPackage(
        name=name,
        version="3.11.1",
        build="h_0",
        platform="linux-64",
        subdir="linux-64",
        channel="https://conda.example/channel",
        url=url,
        sha256="ef" * 32,
        md5="0" * 32,
    )


def locked(definition: Definition) -> Lock:
    """Return what a solver would: a package for each name, and everything that a lock takes over as it was written."""
    conda = tuple(map(conda_package, dict.fromkeys(spec.name for spec in definition.conda)))
    pip = tuple(map(wheel, dict.fromkeys(one.name for one in definition.pip if one.name)))
    python = LockedPython(version="3.11.1", provider="conda" if conda else "apt")
    return Lock(
        definition_hash=definition.hash,
        platforms=("linux-64",),
        channels=definition.channels,
        conda=() if definition.user_managed else conda,
        pip=() if definition.user_managed else pip,
        python=None if definition.user_managed else python,
        base=LockedBase(reference=definition.base.image or IMAGE, digest=DIGEST, distribution="ubuntu 24.04"),
        apt=LockedApt(packages=definition.apt),
        index_url=definition.index.index_url,
        extra_index_urls=definition.index.extra_index_urls,
        index_pins=definition.index.pins,
        tools=(
            wheel("uv", tag="py3-none-manylinux_2_17_x86_64"),
            wheel("py-rattler", tag="cp310-abi3-manylinux_2_17_x86_64"),
        ),
    )


def made(definition: Definition, **wishes: str) -> tuple[Context, Plan]:
    plan = make_plan(definition, locked(definition))
    return render(plan, options=RenderOptions(**wishes)), plan  # type: ignore[arg-type]


def test_the_corpus_is_large_and_each_text_stands_in_it_once() -> None:
    assert len(HOSTILE) == len(set(HOSTILE)) >= 300
    assert len(FIELDS) >= 80


@pytest.mark.parametrize("place", FIELDS)
def test_no_text_becomes_more_than_a_value(place: str) -> None:
    field = FIELDS[place]
    usual = field.read(field.harmless)
    harmless, _ = made(usual)
    found: dict[str, list[str]] = {}
    outcomes: Counter[str] = Counter()
    for text in HOSTILE:
        try:
            definition = field.read(text)
            if definition == usual:
                outcomes["without effect"] += 1
                continue
            context, plan = made(definition)
        except EnvbuildError:
            outcomes["refused"] += 1
            continue
        outcomes["rendered"] += 1
        if said := list(complaints(context, plan, harmless)):
            found[text] = said
    assert not found
    assert outcomes.total() == len(HOSTILE)


@pytest.mark.parametrize(
    "wishes", [{"dialect": "plain"}, {"dialect": "sessionless"}, {"pip_installer": "pip"}], ids=str
)
@pytest.mark.parametrize("place", ["pyproject variable", "conda pip", "pyproject managed", "pyproject description"])
def test_nor_in_another_dialect(place: str, wishes: dict[str, str]) -> None:
    field = FIELDS[place]
    harmless, _ = made(field.read(field.harmless), **wishes)
    for text in HOSTILE[::3]:
        try:
            context, plan = made(field.read(text), **wishes)
        except EnvbuildError:
            continue
        assert not list(complaints(context, plan, harmless)), text


def test_the_judges_see_what_they_look_for() -> None:
    assert shell_complaints("echo $(>HACKED)")
    assert shell_complaints("echo 'x")
    assert not shell_complaints("echo '$(>HACKED)'")
    assert docker_value('"a $HOME"') is None
    assert docker_value('"a" HACKED="1"') is None
    assert docker_value('"a\\$\\\\\\"b"') == 'a$\\"b'
    field = FIELDS["pyproject name"]
    harmless, plan = made(field.read("n"))
    bad = Context(dockerfile=harmless.dockerfile.replace("USER 1000", "VOLUME /x\nUSER 1000"), files=harmless.files)
    assert any("VOLUME" in one for one in complaints(bad, plan, harmless))
    assert instructions(bad.dockerfile) != instructions(harmless.dockerfile)

"""What was built is remembered, and answers for the next build only where nothing can have changed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild import history, last_image
from envbuild.code.sources import sources_hash
from envbuild.core.definition import Base, BuildContext, CodeFolder, Definition
from envbuild.core.lock import Lock, LockedBase, PipPackage, Source
from envbuild.core.plan import Code, Plan, make_plan
from envbuild.lockfile import store_lock


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text("six\n")
    return path


def plan_of(path: Path, change: Definition | None = None, digest: str = f"sha256:{'a' * 64}") -> Plan:
    source = Source(path=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    lock = Lock(
        definition_hash="b" * 64,
        platforms=("linux-64",),
        base=LockedBase(reference="ubuntu:24.04", digest=digest),
        sources=(source,),
    )
    store_lock(path.parent / "pylock.toml", lock)
    return make_plan(change or Definition(kind="requirements"), lock, allow_unpinned_base=True)


def test_the_image_of_an_unchanged_definition_is_known(definition):
    plan = plan_of(definition)
    history.remember(definition, "", plan, plain=True)
    layers = [(layer.kind, layer.key) for layer in plan.layers]
    assert last_image.last_image(str(definition)) == (plan.image_name, layers)
    assert layers[-1][1] == plan.image_key


def test_a_changed_definition_lock_or_version_is_looked_at_anew(definition, monkeypatch):
    history.remember(definition, "", plan_of(definition), plain=True)
    with monkeypatch.context() as patched:
        patched.setattr(last_image, "__version__", "another")
        assert last_image.last_image(str(definition)) is None
    lock = definition.with_name("pylock.toml")
    text = lock.read_text()
    lock.write_text(text + "\n")
    assert last_image.last_image(str(definition)) is None
    lock.write_text(text)
    assert last_image.last_image(str(definition)) is not None
    assert last_image.last_image(str(definition), "other") is None
    definition.write_text("six>1\n")
    assert last_image.last_image(str(definition)) is None
    lock.unlink()
    assert last_image.last_image(str(definition)) is None


@pytest.mark.parametrize(
    ("change", "digest"),
    [
        (replace(Definition(kind="requirements"), templates="t"), f"sha256:{'a' * 64}"),
        (
            Definition(kind="requirements", base=Base(context=BuildContext(path="c", content_hash="d" * 64))),
            f"sha256:{'a' * 64}",
        ),
        (Definition(kind="requirements"), ""),
    ],
)
def test_what_the_locks_sources_do_not_tell_is_never_answered_from_memory(definition, change, digest):
    history.remember(definition, "", plan_of(definition, change, digest), plain=True)
    assert last_image.last_image(str(definition)) is None
    assert history.last_layers(definition, "")


def test_another_kind_of_build_is_not_answered_from_memory(definition):
    history.remember(definition, "", plan_of(definition))
    assert last_image.last_image(str(definition)) is None


def test_a_changed_source_file_is_looked_at_anew(definition):
    package = definition.parent / "mine/pkg"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")
    sources = sources_hash(str(package.parent))
    code = Code(folder=CodeFolder(path="mine"), package=PipPackage(name="mine", version="1"), sources=sources)
    history.remember(definition, "", replace(plan_of(definition), code=(code,)), plain=True)
    assert last_image.last_image(str(definition)) is not None
    (package / "__init__.py").write_text("x = 2\n")
    assert last_image.last_image(str(definition)) is None
    (package / "__init__.py").write_text("x = 1\n")
    assert last_image.last_image(str(definition)) is not None
    (package / "more.py").write_text("")
    assert last_image.last_image(str(definition)) is None

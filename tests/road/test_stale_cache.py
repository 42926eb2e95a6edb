"""The defect that envbuild exists to remove: an unpinned dependency behind a cache that is keyed on the definition."""

import io

import pytest

from envbuild import api
from envbuild.context import tar_context
from envbuild.core.plan import make_plan
from envbuild.render import render
from envbuild.solve.options import SolveOptions

# nobody listens on port 9, so the digest stays unresolved; the name tells the release
BASE = "127.0.0.1:9/library/ubuntu:24.04"


@pytest.fixture
def write(tmp_path, index):
    index.add("alpha", "1.0", files={"alpha.py": "VERSION = 1"})
    index.add("beta", "1.0", requires=["alpha"], files={"beta.py": ""})

    def definition(name, *requirements):
        path = tmp_path / name / "pyproject.toml"
        path.parent.mkdir()
        pip = ", ".join(f'"{one}"' for one in requirements)
        path.write_text(
            f'[tool.envbuild]\nbase = "{BASE}"\npython = "3.12"\npip = [{pip}]\nindex-url = "{index.url}"\n'
        )
        return path

    return definition


def versions(lock):
    return {one.name: one.version for one in lock.pip}


def key(path):
    return api.plan(path, allow_unpinned_base=True).image_key


def context_bytes(path):
    output = io.BytesIO()
    tar_context(render(api.plan(path, allow_unpinned_base=True), root=path.parent), output)
    return output.getvalue()


def test_an_index_that_moves_on_changes_nothing_until_somebody_asks(write, index):
    path = write("one", "alpha", "beta")
    first = api.lock(path)
    before = (first.path.read_bytes(), key(path), context_bytes(path))
    index.add("alpha", "2.0", files={"alpha.py": "VERSION = 2"})
    index.add("beta", "2.0", requires=["alpha"], files={"beta.py": ""})

    again = api.lock(path)
    assert not again.written
    assert versions(again.lock) == {"alpha": "1.0", "beta": "1.0"}
    assert (again.path.read_bytes(), key(path), context_bytes(path)) == before
    assert api.check(path).fresh

    moved = api.lock(path, options=SolveOptions(update=("alpha",)))
    assert versions(moved.lock) == {"alpha": "2.0", "beta": "1.0"}
    assert key(path) != before[1]

    everything = api.lock(path, options=SolveOptions(update_all=True))
    assert versions(everything.lock) == {"alpha": "2.0", "beta": "2.0"}


def test_two_dependencies_swapped_are_another_image_of_the_same_packages(write):
    one, two = write("one", "alpha", "beta"), write("two", "beta", "alpha")
    first, second = api.lock(one).lock, api.lock(two).lock
    assert versions(first) == versions(second)
    assert first.definition_hash != second.definition_hash
    assert key(one) != key(two)


def test_two_channels_swapped_are_another_image(write):
    from dataclasses import replace

    path = write("one", "alpha")
    definition, lock = api.read_definition(path), api.lock(path).lock
    from tests.unit.core.values import conda_package, spec

    lock = replace(lock, conda=(conda_package("zlib", "1.3"),))
    keys = [
        make_plan(
            replace(definition, channels=channels, conda=(spec("zlib"),)), lock, allow_unpinned_base=True
        ).image_key
        for channels in (("a", "b"), ("b", "a"))
    ]
    assert keys[0] != keys[1]


def test_a_stale_lock_is_refused_with_its_reason_and_never_built(write):
    path = write("one", "alpha")
    api.lock(path)
    path.write_text(path.read_text().replace('"alpha"', '"alpha>=2"'))
    answer = api.check(path)
    assert not answer.fresh
    assert "alpha>=2 is asked for, but the lock has alpha 1.0" in str(answer.reasons[0])
    with pytest.raises(api.LockError, match="is stale"):
        api.plan(path, allow_unpinned_base=True)


def test_locked_never_solves(write):
    with pytest.raises(api.LockError, match="--locked forbids"):
        api.plan(write("one", "alpha"), locked=True)

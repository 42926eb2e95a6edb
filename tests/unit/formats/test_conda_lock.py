import difflib
import time
from dataclasses import replace

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from envbuild.core.definition import Source
from envbuild.core.errors import LockError
from envbuild.core.lock import LockedPython
from envbuild.formats.canonical import per_platform
from envbuild.formats.conda_lock import read_conda_lock, write_conda_lock
from envbuild.formats.explicit import write_explicit
from tests.unit.formats.locks import (
    WHEEL_TAGS,
    conda_package,
    digest,
    locks,
    pip_package,
    small_lock,
    wheel,
)

relaxed = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@relaxed
@given(lock=locks())
def test_what_is_written_reads_back_as_the_lock_per_platform(lock):
    expected = per_platform(lock)
    again = read_conda_lock(write_conda_lock(lock), "conda-lock.yml")
    assert again == expected
    assert again.sources == expected.sources


@relaxed
@given(lock=locks())
def test_writing_what_was_read_changes_no_byte(lock):
    text = write_conda_lock(lock)
    assert write_conda_lock(read_conda_lock(text, "conda-lock.yml")) == text


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(lock=locks())
def test_conda_locks_own_model_accepts_every_file(lock, tmp_path_factory):
    model = pytest.importorskip("conda_lock.lockfile")
    path = tmp_path_factory.mktemp("lock") / "conda-lock.yml"
    path.write_text(write_conda_lock(lock), encoding="utf-8")
    parsed = model.parse_conda_lock_file(path)
    expected = per_platform(lock)
    pip = [(one.name, platform) for one in expected.pip for platform in one.platforms or expected.platforms]
    conda = [(one.name, one.platform) for one in expected.conda]
    assert sorted((one.name, one.platform) for one in parsed.package) == sorted(conda + pip)
    assert parsed.metadata.platforms == list(lock.platforms)


@relaxed
@given(lock=locks())
def test_every_scalar_is_the_same_text_for_a_strict_yaml_reader(lock):
    text = write_conda_lock(lock)
    assert_texts(yaml.safe_load(text), yaml.load(text, Loader=yaml.BaseLoader))


def assert_texts(strict, texts):
    """All scalars that are not the format's own version, booleans or nulls were taken for text."""
    if isinstance(strict, dict):
        assert list(strict) == list(texts)
        for key in strict:
            assert_texts(strict[key], texts[key])
    elif isinstance(strict, list):
        for one, other in zip(strict, texts, strict=True):
            assert_texts(one, other)
    elif strict is not False:
        assert strict == (int(texts) if texts == "1" and isinstance(strict, int) else texts)


def test_rattler_reads_conda_and_pip_packages(tmp_path):
    rattler = pytest.importorskip("rattler")
    path = tmp_path / "conda-lock.yml"
    path.write_text(write_conda_lock(small_lock()))
    environment = rattler.LockFile.from_path(path).default_environment()
    platform = next(one for one in environment.platforms() if "linux-64" in str(one))
    assert {one.name for one in environment.packages(platform)} == {"python", "numpy", "flask"}


def test_conda_lock_renders_the_same_explicit_list():
    conda_lock = pytest.importorskip("conda_lock.conda_lock")
    lockfile = pytest.importorskip("conda_lock.lockfile.v1.models").Lockfile
    convert = pytest.importorskip("conda_lock.lockfile.v2prelim.models").lockfile_v1_to_v2
    lock = small_lock(pip=())
    parsed = convert(lockfile.model_validate({**yaml.safe_load(write_conda_lock(lock))}))
    parsed.toposort_inplace()
    lines = conda_lock.render_lockfile_for_platform(
        lockfile=parsed, platform="linux-64", kind="explicit", include_dev_dependencies=True, extras=set()
    )
    ours = write_explicit(lock, "linux-64").splitlines()
    assert lines[lines.index("@EXPLICIT") :] == ours[ours.index("@EXPLICIT") :]


def test_one_moved_package_changes_only_its_own_lines():
    old = small_lock(conda=tuple(conda_package(f"package{number}", size=number) for number in range(50)))
    moved = conda_package("package7", "2.0.0", size=99)
    new = replace(old, conda=tuple(moved if one.name == "package7" else one for one in old.conda))
    diff = list(difflib.ndiff(write_conda_lock(old).splitlines(), write_conda_lock(new).splitlines()))
    changed = [line for line in diff if line.startswith(("+ ", "- "))]
    assert all("package7" in line or "version" in line or "md5" in line or "sha256" in line for line in changed)
    assert len(changed) == 2 * len(["facts", "version", "url", "md5", "sha256"])


def test_a_wheel_is_chosen_for_each_platform():
    package = pip_package("numpy", "1.26.4", wheels=tuple(wheel("numpy", "1.26.4", tag) for tag in WHEEL_TAGS.values()))
    lock = read_conda_lock(
        write_conda_lock(small_lock(platforms=("linux-64", "osx-arm64"), conda=(), pip=(package,))), "conda-lock.yml"
    )
    assert [(one.platforms, [file.filename for file in one.files]) for one in lock.pip] == [
        (("linux-64",), [f"numpy-1.26.4-{WHEEL_TAGS['linux-64']}.whl"]),
        (("osx-arm64",), [f"numpy-1.26.4-{WHEEL_TAGS['osx-arm64']}.whl"]),
    ]


def test_credentials_never_reach_the_file():
    secret = "https://user:secret@files.example/flask-3.0.0-py3-none-any.whl"
    lock = small_lock(
        channels=("https://user:secret@conda.example/t/secret/channel",),
        conda=(conda_package(url="https://conda.example/t/secret/channel/linux-64/numpy-1.26.4-h1_0.conda"),),
        pip=(pip_package(wheels=(wheel(url=secret),), index="https://user:secret@index.example/simple"),),
        index_url="https://user:secret@index.example/simple",
    )
    assert "secret" not in write_conda_lock(lock)


def test_a_package_without_md5_is_refused_by_name():
    with pytest.raises(LockError, match=r"numpy 1\.26\.4 \(linux-64\) has no MD5"):
        write_conda_lock(small_lock(conda=(conda_package(md5=""),)))


FOREIGN = """\
version: 1
metadata:
  content_hash: {linux-64: abc}
  channels:
  - url: conda.example
    used_env_vars: []
  platforms: [linux-64]
  sources: [environment.yml]
package:
- name: python
  version: 3.10
  manager: conda
  platform: linux-64
  dependencies: {libzlib: '>=1.2,<2.0a0', python_abi: 3.10.*}
  url: https://mirror.example/conda.example/linux-64/python-3.10-h1_7_cpython.conda
  hash: {md5: 0123456789abcdef0123456789abcdef, sha256: null}
  category: main
  optional: false
- &twice
  name: Some_Thing
  version: 1.10
  manager: pip
  platform: linux-64
  dependencies: {Other.Thing: '*'}
  url: git+https://git.example/a/b@0123456789abcdef0123456789abcdef01234567
  hash: {sha256: 0123456789abcdef0123456789abcdef01234567}
  source: {type: url, url: 'git+https://git.example/a/b@0123456789abcdef0123456789abcdef01234567'}
  category: dev
  optional: true
- *twice
- name: __glibc
  version: '2.28'
  manager: conda
  platform: linux-64
  dependencies: {}
  url: nowhere
  hash: {md5: ''}
"""


def test_a_file_of_another_tool_is_read():
    lock = read_conda_lock(FOREIGN, "conda-lock.yml")
    (python,) = lock.conda
    assert (python.version, python.build, python.channel) == ("3.10", "h1_7_cpython", "conda.example")
    assert python.depends == ("libzlib >=1.2,<2.0a0", "python_abi 3.10.*")
    assert lock.python == LockedPython(version="3.10", provider="conda")
    (thing,) = lock.pip
    assert (thing.name, thing.version, thing.dependencies) == ("some-thing", "1.10", ("other-thing",))
    assert thing.vcs.commit == "0123456789abcdef0123456789abcdef01234567"
    assert lock.sources == (Source(path="environment.yml", sha256=""),)
    assert lock.created_by == "conda-lock"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version: 1\n", "version: 2\n", r"f\.yml:1: version: '2' is not a version"),
        ("manager: pip", "manager: brew", r"f\.yml:22: package\[1\]\.manager: 'brew' is not conda or pip"),
        ("  name: Some_Thing", "  name: 'Some Thing'", r"package\[1\]\.name: 'Some Thing' is not the name"),
        ("md5: 0123456789abcdef0123456789abcdef", "md5: 12", r"f\.yml:16: package\[0\]\.hash\.md5: '12' is not a digest"),
        ("  platform: linux-64\n  dependencies: {lib", "  dependencies: {lib", r"package\[0\]\.platform: is missing"),
        ("url: https://mirror", "url: [https://mirror", r"f\.yml:16: is not YAML"),
        ("'>=1.2,<2.0a0'", '"a\\nb"', r"dependencies\.libzlib: holds a line break"),
        ("- *twice", "- {name: Some_Thing, version: '2', manager: pip, platform: linux-64, url: 'https://a.example/b-2.zip'}", "twice"),
        ("- *twice", "- 7", r"package\[2\]: is text, not a mapping"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line_and_key(old, new, message):
    assert old in FOREIGN
    with pytest.raises(LockError, match=message):
        read_conda_lock(FOREIGN.replace(old, new, 1), "f.yml")


def test_an_alias_bomb_costs_nothing_and_is_refused():
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    with pytest.raises(LockError, match=r"package\[0\]: is a list"):
        read_conda_lock(f"a0: &a0 [x]\n{levels}version: 1\npackage: [*a29]\n", "f.yml")


def test_a_lock_of_three_hundred_packages_is_written_and_read_in_less_than_a_second():
    lock = small_lock(conda=tuple(conda_package(f"package{number}", size=number) for number in range(300)))
    start = time.process_time()
    assert len(read_conda_lock(write_conda_lock(lock), "conda-lock.yml").conda) == 300
    assert time.process_time() - start < 1


def test_sources_with_odd_names_survive():
    odd = tuple(Source(path=path, sha256=digest(path)) for path in ("a: b.yml", "'x'.yml", "é #.yml", "true", "- y"))
    text = write_conda_lock(small_lock(sources=odd))
    assert read_conda_lock(text, "conda-lock.yml").sources == odd
    assert list(yaml.safe_load(text)["metadata"]["inputs_metadata"]) == [one.path for one in odd]

import subprocess  # noqa: TID251
import sys
import time

from hypothesis import HealthCheck, given, settings

from envbuild.core.definition import Source
from envbuild.formats.conda_lock import write_conda_lock
from envbuild.formats.header import read_header
from envbuild.formats.pylock import write_pylock
from tests.unit.formats.locks import conda_package, locks, small_lock

relaxed = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def facts(lock):
    return (
        lock.definition_hash,
        lock.platforms,
        lock.exclude_newer,
        tuple((one.path, one.sha256) for one in lock.sources),
    )


def header_facts(header):
    return header.definition_hash, header.platforms, header.exclude_newer, header.sources


@relaxed
@given(lock=locks())
def test_the_header_of_a_conda_lock_says_what_the_lock_says(lock):
    header = read_header(write_conda_lock(lock))
    assert header.format == "conda-lock"
    assert header_facts(header) == facts(lock)


@relaxed
@given(lock=locks(conda=False))
def test_the_header_of_a_pylock_says_what_the_lock_says(lock):
    header = read_header(write_pylock(lock))
    assert header.format == "pylock"
    assert header_facts(header) == facts(lock)


def test_a_package_cannot_forge_the_header():
    honest = small_lock(definition_hash="", conda=(conda_package(license="x\n    envbuild-definition-hash: forged"),))
    assert read_header(write_conda_lock(honest)).definition_hash == ""


def test_a_source_in_a_folder_that_is_called_conda_is_a_source():
    lock = small_lock(sources=(Source(path="conda/environment.yml", sha256="ab" * 32),))
    assert header_facts(read_header(write_conda_lock(lock))) == facts(lock)


def test_other_texts_have_an_empty_header():
    for text in ("", "[project]\nname = 'x'\n"):
        header = read_header(text)
        assert (header.format, *header_facts(header)) == ("", "", (), "", ())
    assert read_header("# comment\nversion: 1\npackage: []\n").definition_hash == ""


def test_three_hundred_packages_cost_less_than_a_millisecond():
    text = write_conda_lock(small_lock(conda=tuple(conda_package(f"p{n}", size=n) for n in range(300))))
    times = []
    for _ in range(20):
        start = time.perf_counter()
        read_header(text)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.001


def test_it_imports_nothing_heavy():
    code = "import sys, envbuild.formats.header; print([m for m in ('yaml', 'tomllib', 'packaging', 'rattler', 'envbuild.core.lock') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

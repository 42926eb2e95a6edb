"""Every lock file of the shared corpus: read, and written back in its own format without loss; or refused with a reason."""

import functools
import json
import re
import tarfile
from pathlib import Path

import pytest

from envbuild.core.errors import LockError
from envbuild.formats.canonical import canonical, per_platform
from envbuild.formats.conda_lock import read_conda_lock, write_conda_lock
from envbuild.formats.detect import lock_format, read_lock
from envbuild.formats.explicit import read_explicit, write_explicit
from envbuild.formats.pylock import read_pylock, write_pylock

pytestmark = pytest.mark.shared
ARCHIVE = Path(__file__).parents[4] / "shared" / "corpus" / "open.tar.xz"

# why a file that looks like a lock is none, or none that can be imported
REASONS = [
    ("is not a lock file that envbuild reads", "no lock file, or one without a single hash"),
    ("is built from source", "a conda package to be built, not installed"),
    ("is not a version of pixi.lock that envbuild knows", "a version from the future"),
    ("is not a version that envbuild knows (1.0.0)", "a version that never was"),
    ("has no environment 'default'", "several environments: one has to be named"),
    ("is neither an MD5 nor a SHA-256", "hashes cut off by a terminal"),
    ("1d bde26' is not a digest of 64", "a hash with a space in it"),
    ("default: is text, not a mapping", "made malformed on purpose"),
]


@pytest.fixture(scope="module")
def corpus():
    with tarfile.open(ARCHIVE) as archive:
        files = {one.name.removeprefix("./"): archive.extractfile(one).read() for one in archive if one.isfile()}
    manifest = next(name for name in files if name.endswith("manifest.jsonl"))
    folder = manifest.removesuffix("manifest.jsonl")
    rows = [json.loads(line) for line in files[manifest].decode().splitlines()]
    return [(row, files[folder + row["dest"]].decode(errors="replace")) for row in rows]


def file_name(row):
    return row["dest"].rsplit("/", 1)[-1]


def is_lock(row):
    name = file_name(row)
    return (row["kind"] == "conda_lock" and row["role"] == "lock") or (
        row["kind"] == "pyproject" and (name.endswith(".lock") or "_locks/" in row["dest"])
    )


def reason(error):
    return next((why for text, why in REASONS if text in str(error)), None)


@functools.cache
def refusal(text, name):
    """Return the error that reading ends in, or None; any other exception fails the test."""
    try:
        read_lock(text, name)
    except LockError as error:
        return error
    return None


def test_every_lock_is_imported_or_refused_for_a_known_reason(corpus):
    errors = {row["dest"]: refusal(text, file_name(row)) for row, text in corpus if is_lock(row)}
    unknown = [f"{name}: {error}" for name, error in errors.items() if error and reason(error) is None]
    imported = sum(error is None for error in errors.values())
    assert unknown == []
    assert imported > 230


def test_every_lock_of_our_formats_is_written_back_without_loss(corpus):
    lossy, counts = [], {"conda-lock": 0, "explicit": 0, "pylock": 0}
    for row, text in filter(lambda one: is_lock(one[0]), corpus):
        name = file_name(row)
        form = lock_format(text, name)
        if form not in counts or refusal(text, name):
            continue
        counts[form] += 1
        if not survives(form, text):
            lossy.append(row["dest"])
    assert lossy == []
    assert counts["conda-lock"] >= 15
    assert counts["explicit"] >= 150
    assert counts["pylock"] >= 2


def survives(form, text):
    if form == "conda-lock":
        lock = read_conda_lock(text, "a")
        again = read_conda_lock(write_conda_lock(lock), "b")
    elif form == "pylock":
        lock = read_pylock(text, "a")
        again = read_pylock(write_pylock(lock), "b")
    else:
        lock = read_explicit(text, "a")
        again = read_explicit(write_explicit(lock, lock.platforms[0], digest="known"), "b")
    return again == lock and again.sources == lock.sources


def test_what_is_imported_can_become_a_lock_of_ours_where_it_has_urls_and_digests(corpus):
    for row, text in filter(lambda one: is_lock(one[0]), corpus):
        name = file_name(row)
        if lock_format(text, name) not in ("pixi", "uv") or refusal(text, name):
            continue
        lock = read_lock(text, name)
        if lock.conda:
            assert read_conda_lock(write_conda_lock(lock), "x") == per_platform(lock)
        else:
            assert read_pylock(write_pylock(lock), "x") == canonical(lock)


def test_no_file_of_the_corpus_ends_in_another_error_than_a_lock_error(corpus):
    errors = [refusal(text, file_name(row)) for row, text in corpus]
    assert all(re.search(r"\S", error.problems[0].message) for error in errors if error)


def test_no_definition_is_taken_for_a_lock(corpus):
    taken = [
        row["dest"]
        for row, text in corpus
        if row["kind"] in ("conda_env", "requirements", "v1_env", "v2_env", "mlflow_models", "pyproject")
        and not is_lock(row)
        and lock_format(text, file_name(row))
    ]
    assert taken == []

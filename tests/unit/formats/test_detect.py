import pytest

from envbuild.core.errors import EnvbuildError, LockError
from envbuild.formats.canonical import canonical, per_platform
from envbuild.formats.conda_lock import write_conda_lock
from envbuild.formats.detect import lock_format, read_lock, write_lock
from envbuild.formats.pylock import write_pylock
from tests.unit.formats import samples
from tests.unit.formats.locks import small_lock

TEXTS = {
    "conda-lock": write_conda_lock(small_lock()),
    "pylock": write_pylock(small_lock(conda=())),
    "pixi": samples.PIXI_6,
    "uv": samples.UV,
    "poetry": samples.POETRY,
    "pipfile": samples.PIPFILE,
    "mamba": samples.MAMBA,
    "explicit": samples.EXPLICIT,
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_format_is_known_by_the_content(name):
    assert lock_format(TEXTS[name], "any.name") == name
    assert read_lock(TEXTS[name], "any.name").platforms


def test_an_empty_pylock_is_known_by_its_name():
    assert lock_format("", "some/folder/pylock.gpu.toml") == "pylock"


@pytest.mark.parametrize(
    "text", ["", "a: 1\n", "numpy\n", "{}", "[1]", "\x00", "[project]\nname = 'x'\n", "version: 0\n"]
)
def test_what_is_no_lock_is_refused(text):
    with pytest.raises(LockError):
        read_lock(text, "file")


def test_the_environment_of_a_pixi_lock_can_be_named():
    assert read_lock(samples.PIXI_7, "pixi.lock", "test").platforms == ("linux-64",)


def test_a_name_chooses_the_format_that_is_written():
    lock = small_lock(conda=())
    assert read_lock(write_lock(lock, "pylock.toml"), "") == canonical(lock)
    assert read_lock(write_lock(lock, "conda-lock.yml"), "") == per_platform(lock)


def refusal(text, name):
    """Return the error that reading ends in, or None; any other exception fails the test."""
    try:
        read_lock(text, name)
    except EnvbuildError as error:
        return error
    return None


@pytest.mark.parametrize("name", TEXTS)
def test_a_damaged_file_never_ends_in_another_error(name):
    lines = TEXTS[name].splitlines(keepends=True)
    refused = 0
    for number, line in enumerate(lines):
        for damaged in (
            "",
            line[: len(line) // 2],
            f"  {line}",
            line.replace(":", "", 1),
            line.replace('"', "", 1),
            "- \n",
        ):
            error = refusal("".join([*lines[:number], damaged, *lines[number + 1 :]]), name)
            refused += error is not None
    assert refused > len(lines) / 2


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", ["7", "null", "[]", "{}", '"a\\nb"', "true", "'x y'", "1e400", "2026-01-01"])
def test_a_value_of_another_type_never_ends_in_another_error(name, value):
    lines = TEXTS[name].splitlines(keepends=True)
    for number, line in enumerate(lines):
        head, sign, _ = line.partition(" = ") if " = " in line else line.partition(": ")
        comma = "," if line.rstrip().endswith(",") else ""
        changed = f"{head}{sign}{value}{comma}\n" if sign else line
        error = refusal("".join([*lines[:number], changed, *lines[number + 1 :]]), name)
        assert error is None or error.problems

"""The answer that is given before the command line is understood, held against the command and against the meaning."""

import os
import re
import subprocess  # noqa: TID251
import sys
from pathlib import Path

import pytest

import envbuild
from envbuild.at_once import answer
from envbuild.cli.main import run
from envbuild.core.errors import EnvbuildError
from envbuild.core.freshness import freshness
from envbuild.lockfile import find_lock, load_lock
from envbuild.read import read_definition
from envbuild.unchanged import header_of
from tests.support.locked_project import make_lock, pip_package
from tests.unit.formats.locks import conda_package

ROOT = Path(__file__).parents[2]
CHANNEL = "https://conda.example/channel"
PROJECTS = {
    "pyproject.toml": '[tool.envbuild]\npython = "3.12"\nrequirements = ["more.txt"]\n',
    "requirements.txt": "-r more.txt\n",
    "requirements.dev.txt": "-r more.txt\n",
    "environment.yml": f"channels: [{CHANNEL}]\ndependencies: [python=3.12, alpha, pip, {{pip: [-r more.txt]}}]\n",
    "azure": "dependencies: [python=3.12, pip, {pip: [-r more.txt]}]\n",
}


@pytest.fixture(params=PROJECTS)
def definition(request, tmp_path, monkeypatch):
    """The name of a definition in the current folder, with an include and a fresh lock."""
    monkeypatch.chdir(tmp_path)
    name, folder = request.param, tmp_path
    if name == "azure":
        folder = tmp_path / name
        folder.mkdir()
        (folder / "azureml_environment.json").write_text('{"name": "azure", "inferencingStackVersion": null}')
        (folder / "conda_dependencies.yml").write_text(PROJECTS[name])
    else:
        (tmp_path / name).write_text(PROJECTS[name])
    (folder / "more.txt").write_text("beta\n")
    conda = [conda_package(one, channel=CHANNEL) for one in ("python", "alpha", "pip")] if name.endswith("yml") else []
    make_lock(tmp_path / name, [pip_package("beta", "1.0")], conda=conda, channels=[CHANNEL] if conda else [])
    return name


def said_by_the_command(argv, capsys):
    try:
        code = run(argv)
    except SystemExit as ended:
        code = ended.code
    return code, capsys.readouterr().out


def holds(argv, capsys):
    """Return what is answered at once, after it was held against the command."""
    said = answer(argv)
    assert not said or said_by_the_command(argv, capsys) == (0, said)
    return said


def means_fresh(definition):
    try:
        return freshness(read_definition(definition), load_lock(find_lock(definition))).fresh
    except (EnvbuildError, OSError, TypeError):
        return False


def test_what_is_fresh_is_said_at_once(definition, capsys):
    assert holds(["lock", "--check", definition], capsys) == f"{definition}: fresh\n"
    assert holds(["lock", "--check", definition, definition], capsys) == f"{definition}: fresh\n" * 2
    default = "" if definition in ("azure", "requirements.dev.txt") else f"{definition}: fresh\n"
    assert holds(["lock", "--check"], capsys) == default


@pytest.mark.parametrize(
    "more",
    [
        ["--all"],
        ["-e", "gpu"],
        ["--environment=gpu"],
        ["--json"],
        ["--format", "github"],
        ["--quiet"],
        ["--update", "alpha"],
        ["--update-all"],
        ["--dry-run"],
        ["--check=1"],
        ["--chec"],
        ["-h"],
        ["--"],
        ["missing.yml"],
        ["./more.txt"],
        ["more.txt/"],
        ["."],
        [""],
        ["-"],
    ],
)
@pytest.mark.parametrize("definition", ["requirements.txt"], indirect=True)
def test_every_other_command_line_is_left_to_the_command(definition, more):
    for argv in (["lock", "--check", definition, *more], ["lock", "--check", *more, definition]):
        assert answer(argv) == ""
    for argv in (
        [],
        ["--check"],
        ["lock"],
        ["lock", definition],
        ["lock", definition, "--check"],
        ["show", "--check"],
        ["--check", "lock"],
    ):
        assert answer(argv) == ""


def rewritten(old, new):
    def change(path):
        text = path.read_text()
        path.write_text(re.sub(old, new, text, count=1, flags=re.MULTILINE))
        assert path.read_text() != text

    return change


def linked(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def linked_to_another(path):
    path.unlink()
    path.with_name("elsewhere").write_text("gamma\n")
    path.symlink_to("elsewhere")


def linked_to_itself(path):
    path.unlink()
    path.symlink_to(path.name)


def a_folder(path):
    path.unlink()
    path.mkdir()


def a_fifo(path):
    path.unlink()
    os.mkfifo(path)


ANY_FILE = {
    "touched": lambda path: os.utime(path, (0, 0)),
    "same bytes, a new file": lambda path: path.write_bytes(path.rename("was").read_bytes()),
    "a link to it": linked,
    "a link to another": linked_to_another,
    "a link to itself": linked_to_itself,
    "missing": lambda path: path.unlink(),
    "a folder": a_folder,
    "a fifo": a_fifo,
    "empty": lambda path: path.write_text(""),
    "one more byte": lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "no UTF-8": lambda path: path.write_bytes(path.read_bytes() + b"# \xff\n"),
    "CRLF": lambda path: path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n")),
    "another package": lambda path: path.write_text(path.read_text().replace("beta", "gamma") + "\n"),
}
HEAD = {
    "another definition hash": rewritten("(definition-hash.*?)[0-9a-f]{8}", r"\g<1>00000000"),
    "no definition hash": rewritten("^.*definition-hash.*\n", ""),
    "another source hash": rewritten(r"(more\.txt(?:.|\n)*?)[0-9a-f]{8}", r"\g<1>00000000"),
    "a source that is a device": rewritten(r"more\.txt(?=:\n|\")", "/dev/zero"),
    "no sources": rewritten(r"^\[tool\.envbuild\.sources\]\n|  inputs_metadata:\n(?:    .*\n)*", ""),
    "another version of the format": rewritten(r"^(version: |lock-version = \")1", r"\g<1>9"),
    "made by another envbuild": rewritten("by = .envbuild|by envbuild", r"\g<0> 99"),
    "half of a merge": rewritten(r"^(\[\[packages\]\]|package:)$", r"<<<<<<< HEAD\n\1"),
}


STILL_FRESH = {"touched", "same bytes, a new file", "a link to it"}
NOT_READ = {"one more byte", "cut", "CRLF", "another package"}
"""What may happen to the packages of a lock, which are not looked at where no source changed."""


def sources(definition):
    named = Path(definition, "conda_dependencies.yml") if definition == "azure" else Path(definition)
    return {"definition": named, "include": named.with_name("more.txt")}


@pytest.mark.parametrize("change", ANY_FILE)
@pytest.mark.parametrize("which", ["definition", "include"])
def test_whatever_happens_to_a_source_what_is_said_at_once_is_true(definition, which, change, capsys):
    ANY_FILE[change](sources(definition)[which])
    said = holds(["lock", "--check", definition], capsys)
    assert bool(said) == (change in STILL_FRESH)
    assert not said or means_fresh(Path(definition))


@pytest.mark.parametrize("change", ANY_FILE)
def test_whatever_happens_to_a_lock_the_command_says_the_same(definition, change, capsys):
    ANY_FILE[change](find_lock(Path(definition)))
    assert bool(holds(["lock", "--check", definition], capsys)) == (change in STILL_FRESH | NOT_READ)


@pytest.mark.parametrize("change", HEAD)
def test_whatever_the_head_of_a_lock_says_the_command_says_the_same(definition, change, capsys):
    HEAD[change](find_lock(Path(definition)))
    said = holds(["lock", "--check", definition], capsys)
    assert bool(said) == (change in ("another definition hash", "made by another envbuild"))


@pytest.mark.parametrize("name", ["", "0" * 64, "more.txt"])
def test_a_source_that_is_gone_has_no_hash(definition, name, capsys):
    lock = find_lock(Path(definition))
    recorded = dict(header_of(str(lock)).sources)["more.txt"]
    lock.write_text(lock.read_text().replace(recorded, name))
    sources(definition)["include"].unlink()
    assert holds(["lock", "--check", definition], capsys) == ""


def test_one_that_is_stale_leaves_all_to_the_command(definition, capsys):
    Path("other.txt").write_text("alpha\n")
    assert holds(["lock", "--check", definition, "other.txt"], capsys) == ""


def test_the_environment_and_the_version_of_envbuild_change_nothing(definition, capsys, monkeypatch):
    monkeypatch.setattr(envbuild, "__version__", "99")
    for name in ("ENVBUILD_CACHE_DIR", "ENVBUILD_INDEX_URL", "PIP_INDEX_URL", "UV_INDEX_URL", "HOME", "CONDA_PREFIX"):
        monkeypatch.setenv(name, "elsewhere")
    assert holds(["lock", "--check", definition], capsys)


@pytest.mark.parametrize("definition", ["requirements.txt"], indirect=True)
def test_the_program_answers_before_it_imports_its_command_line(definition):
    argv = [sys.executable, "-X", "importtime", "-m", "envbuild", "lock", "--check"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stdout == f"{definition}: fresh\n"
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    of_ours = {one for one in imported if one.partition(".")[0] == "envbuild"}
    assert of_ours == {f"envbuild{one}" for one in ("", ".at_once", ".unchanged", ".formats", ".formats.header")}
    assert not imported & {"re", "pathlib", "argparse", "hashlib", "json", "dataclasses", "typing"}

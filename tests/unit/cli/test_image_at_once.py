"""What is said of an unchanged image at once is what the command says, or nothing, whatever has changed."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild import last_image
from envbuild.cli.main import parser
from envbuild.cli.main import run as command
from envbuild.files import cache_root
from envbuild.formats.detect import write_lock
from envbuild.image_at_once import image_answer, read_words
from envbuild.net.images import digest_of
from envbuild.net.media_types import OCI_MANIFEST
from tests.oci.making import MERGED_USR, layout, on_disk, plan
from tests.unit.net.conftest import server  # noqa: F401 - a fixture
from tests.unit.net.loopback import Answer
from tests.unit.net.samples import FakeRegistry

OTHER = b'{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}'


def lock_here(folder, more=""):
    """Write a definition and its lock to `folder`: one wheel over a base in a layout."""
    base = layout(folder / "base", MERGED_USR)
    made = plan(folder, pip=[on_disk(folder / "wheels", "adder", "1.0")], base=base, more=more)
    lock = replace(made.lock, definition_hash=made.definition.hash, sources=made.definition.sources)
    (folder / "pylock.toml").write_text(write_lock(lock, "pylock.toml"))


class Project:
    """A locked definition in the current folder, its image in a registry, and the words that put it there."""

    def __init__(self, folder, registry, capsys):
        self.folder, self.registry, self.capsys = folder, registry, capsys
        self.words = ["--engine", "oci", "--locked", "--json", "--push"]
        for tag in ("team/app:1", "team/other"):
            self.words += ["-t", registry.reference(tag)]

    def ordinary(self):
        """Return what the command prints that reads the definition; nothing where it fails."""
        try:
            code = command(["image", *self.words])
        except SystemExit as ended:  # argparse's way out
            code = ended.code
        printed = self.capsys.readouterr().out
        return printed if code == 0 else ""

    @property
    def tags(self):
        """The names and tags in the registry, the one of the key last."""
        found = [one for one in self.registry.manifests if not one[1].startswith("sha256:")]
        return sorted(found, key=lambda one: one[1].startswith("envbuild_"))

    def move(self, tag):
        """Let a tag mean another manifest."""
        for key in (tag, (tag[0], digest_of(OTHER))):
            self.registry.manifests[key] = OTHER, OCI_MANIFEST


@pytest.fixture
def project(tmp_path, monkeypatch, capsys, server):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    lock_here(tmp_path)
    made = Project(tmp_path, FakeRegistry(server), capsys)
    first = json.loads(made.ordinary())
    assert (first["built"], first["engine"]) == (True, "oci")
    return made


def edit(name, old, new):
    def change(project):
        path = project.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def say(*words):
    def change(project):
        project.words += words

    return change


def of_record(change):
    def changed(project):
        path = Path(last_image.record_path("pyproject.toml", ""))
        record = json.loads(path.read_text())
        change(record)
        path.write_text(json.dumps(record))

    return changed


def broken_record(project):
    Path(last_image.record_path("pyproject.toml", "")).write_text("[]")


def another_lock_before(project):
    (project.folder / "conda-lock.yml").write_text("version: 1\n")


def another_version(project):
    project.monkeypatch.setattr(last_image, "__version__", "another")


def failing(status):
    def change(project):
        for name, tag in project.tags:
            project.registry.faults[f"HEAD /v2/{name}/manifests/{tag}"] = [Answer(status=status)]

    return change


NOTHING_SAID = {
    "a comment in the definition": edit("pyproject.toml", "[tool.envbuild]", "# new\n[tool.envbuild]"),
    "another setting of the image": edit("pyproject.toml", 'name = "demo"', 'name = "demo"\nimage = {layers = 3}'),
    "another requirement": edit("pyproject.toml", 'name = "demo"', 'name = "demo"\npip = ["six"]'),
    "no definition": lambda project: (project.folder / "pyproject.toml").unlink(),
    "another definition before it": lambda project: (project.folder / "environment.yml").write_text(
        "dependencies: []\n"
    ),
    "a comment in the lock": edit("pylock.toml", "\n", "\n# new\n"),
    "another package in the lock": edit("pylock.toml", 'version = "1.0"', 'version = "1.1"'),
    "another hash of the definition": edit("pylock.toml", 'definition-hash = "', 'definition-hash = "0'),
    "no lock": lambda project: (project.folder / "pylock.toml").unlink(),
    "a conda lock before it": another_lock_before,
    "another environment": say("-e", "gpu"),
    "no bytecode": say("--no-bytecode"),
    "layers": say("--layers", "3"),
    "another compression": say("--compression", "zlib"),
    "an earlier image": say("--append-to", "a:1"),
    "build anyway": say("--no-reuse"),
    "build every step": say("--no-cache"),
    "load it too": say("--load"),
    "an argument": say("--build-arg", "A=b"),
    "a stage": say("--target", "a"),
    "an output": say("--output", "oci:out"),
    "a platform": say("--platform", "linux-64"),
    "what is beside it": say("--attest"),
    "a plan alone": say("--plan"),
    "an abbreviated word": say("--pus"),
    "a word that is none": say("--fast"),
    "two definitions": say("pyproject.toml", "pyproject.toml"),
    "a name that is none": say("-t", "127.0.0.1:5000/No Name"),
    "a further name": lambda project: say("-t", project.registry.reference("team/new:1"))(project),
    "another builder's record": of_record(lambda record: record["image"].update(version="0.0.0")),
    "a record of another lock": of_record(lambda record: record["image"].update(lock="0" * 64)),
    "a record that is not plain": of_record(lambda record: record.pop("image")),
    "a broken record": broken_record,
    "another cache": lambda project: project.monkeypatch.setenv("ENVBUILD_CACHE_DIR", str(project.folder / "cache")),
    "another version": another_version,
    "no tag of the key": lambda project: project.registry.manifests.pop(project.tags[-1]),
    "no name": lambda project: project.registry.manifests.pop(project.tags[0]),
    "another image under the name": lambda project: project.move(project.tags[0]),
    "another image under the key": lambda project: project.move(project.tags[-1]),
    "an empty registry": lambda project: project.registry.manifests.clear(),
    "a registry that fails": failing(500),
    "a registry that redirects": failing(302),
    "a login": lambda project: setattr(project.registry, "login", "basic"),
    "no network": lambda project: project.monkeypatch.setenv("ENVBUILD_OFFLINE", "1"),
}
SAID = {
    "nothing": lambda project: None,
    "words for a person": lambda project: project.words.remove("--json"),
    "another engine": say("--engine=docker"),
    "the definition's name": say("pyproject.toml"),
    "its other name": lambda project: say(str(project.folder / "pyproject.toml"))(project),
    "quiet": say("--quiet"),
    "a network of the steps that are not run": say("--network", "host"),
    "one name": lambda project: project.words.__delitem__(slice(-2, None)),
    "the same bytes anew": edit("pyproject.toml", "demo", "demo"),
    "a base that is gone": lambda project: (project.folder / "base" / "index.json").unlink(),
}


@pytest.mark.parametrize("change", [*NOTHING_SAID, *SAID])
def test_it_is_what_the_command_says(project, monkeypatch, change):
    project.monkeypatch = monkeypatch
    {**NOTHING_SAID, **SAID}[change](project)
    said = image_answer(project.words)
    assert bool(said) == (change in SAID)
    assert said in {"", project.ordinary()}
    # and after the command has seen the change
    said = image_answer(project.words)
    assert said in {"", project.ordinary()}


def test_no_byte_of_the_lock_or_definition_changes_unseen(project):
    chance = random.Random(3)
    assert image_answer(project.words)
    for name in ("pyproject.toml", "pylock.toml"):
        path = project.folder / name
        before = path.read_bytes()
        for _ in range(100):
            at = chance.randrange(len(before))
            path.write_bytes(before[:at] + bytes([before[at] ^ 1 << chance.randrange(8)]) + before[at + 1 :])
            assert image_answer(project.words) == ""
            path.write_bytes(before[:at] + before[at + 1 :])
            assert image_answer(project.words) == ""
        path.write_bytes(before)
    assert image_answer(project.words)


def test_nothing_is_written(project):
    def files():
        return {(path, path.stat().st_mtime_ns) for path in cache_root().rglob("*") if path.is_file()}

    before, requests = files(), len(project.registry.server.requests)
    assert image_answer(project.words)
    assert files() == before
    asked = [one.method for one in project.registry.server.requests[requests:]]
    assert asked == ["HEAD"] * 4  # the name and the tag of the key, for each of two names


def test_words_are_read_as_the_parser_reads_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chance = random.Random(5)
    vocabulary = [
        *(
            "--push",
            "--json",
            "--locked",
            "-q",
            "--quiet",
            "-t",
            "--tag",
            "--tag=a:1",
            "--tag=",
            "-ta",
            "-t=a",
            "--engine",
        ),
        *(
            "--engine=oci",
            "oci",
            "a:1",
            "x.yml",
            "a=b",
            "-e",
            "--environment",
            "--environment=gpu",
            "gpu",
            "-",
            "--",
            "-1",
        ),
        *("--no-reuse", "--eng", "--quiet=1", "", "-qe", "--tag-", "--jso"),
    ]
    read = 0
    for _ in range(20_000):
        words = chance.choices(vocabulary, k=chance.randint(0, 6))
        asked = read_words(words)
        if asked is None:
            continue
        read += 1
        told = parser("image").parse_args(["image", *words])
        assert told.tag == asked.values["tag"]
        assert str(told.definition or "") == asked.last("definition")
        assert (told.engine, told.environment) == (asked.last("engine", "auto"), asked.last("environment"))
        flags = {name for name in ("push", "json", "locked", "quiet") if getattr(told, name)}
        assert flags == asked.flags
    assert read > 500

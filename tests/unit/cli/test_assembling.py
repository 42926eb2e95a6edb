import json

import pytest

from envbuild.cli.assembling import image_settings, subdirs
from envbuild.cli.main import parser
from envbuild.cli.main import run as command
from envbuild.core.errors import EnvbuildError
from envbuild.core.image_settings import ImageSettings
from envbuild.files import cache_root
from envbuild.formats.detect import write_lock
from envbuild.last_image import last_image
from envbuild.net.oci_layout import image_source
from tests.oci.making import MERGED_USR, on_disk, plan, two_platforms
from tests.unit.net.conftest import server  # noqa: F401 - a fixture
from tests.unit.net.loopback import Answer
from tests.unit.net.samples import FakeRegistry


def said(*words):
    return parser().parse_args(["image", *words])


def test_what_is_said_is_what_is_set():
    words = ["--layers", "20", "--append-to", "team/app:1", "--compression", "zstd", "--no-bytecode", "--attest"]
    wanted = ImageSettings(layers=20, append_to="team/app:1", compression="zstd", bytecode=False, attest=True)
    assert image_settings(said(*words)) == wanted
    assert image_settings(said()) == ImageSettings()
    assert not image_settings(said("--attest")).assembles
    assert image_settings(said("--bytecode")).assembles


def test_a_person_s_word_wins_over_the_file_s():
    file = ImageSettings(layers=5, bytecode=False, attest=True, compression="zstd")
    person = ImageSettings(layers=7, bytecode=True, attest=False)
    assert person.over(file) == ImageSettings(layers=7, bytecode=True, attest=False, compression="zstd")
    assert ImageSettings().over(file) == file


@pytest.mark.parametrize("words", [["--layers", "0"], ["--layers", "101"], ["--append-to", "Not An Image"]])
def test_what_cannot_be_is_refused(words):
    with pytest.raises(EnvbuildError):
        image_settings(said(*words))


def test_platforms_are_repeated_or_listed():
    assert subdirs(["linux/amd64,linux/arm64", "linux-64"]) == ["linux-64", "linux-aarch64"]
    assert subdirs([]) == []


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A locked definition for two platforms on a base in a layout, in the current folder."""
    monkeypatch.chdir(tmp_path)
    both = ("linux-64", "linux-aarch64")
    base = two_platforms(tmp_path / "base", MERGED_USR)
    packages = [on_disk(tmp_path / "wheels", "adder", "1.0")]
    made = plan(tmp_path, pip=packages, base=base, platforms=both)
    definition = made.definition
    from dataclasses import replace

    lock = replace(made.lock, definition_hash=definition.hash, sources=definition.sources)
    (tmp_path / "pylock.toml").write_text(write_lock(lock, "pylock.toml"))
    return tmp_path


def test_several_platforms_from_the_command_line(here, capsys):
    assert command(["image", "--locked", "--platform", "linux/amd64,linux/arm64", "--output", "oci:out", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["built"], told["engine"]) == (True, "oci")
    source = image_source(here / "out", told["name"])
    from envbuild.core.platforms import parse_platform

    found = [source.resolve(parse_platform(one)) for one in ("linux-64", "linux-aarch64")]
    assert [one.configuration["architecture"] for one in found] == ["amd64", "arm64"]
    assert {one.index_digest for one in found} == {told["digest"]}


def test_a_plan_for_each_platform_and_no_context_for_two(here, capsys):
    assert command(["image", "--locked", "--plan", "--platform", "linux-64", "--platform", "linux-aarch64"]) == 0
    assert capsys.readouterr().out.count("envbuild/envbuild_") == 2
    assert command(["image", "--locked", "--generate-dockerfile", "x", "--platform", "linux-64,linux-aarch64"]) != 0
    assert "a context is for one platform" in capsys.readouterr().err


def test_a_setting_in_the_file_that_cannot_be_is_named_with_its_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.envbuild]\npip = ["six"]\n[tool.envbuild.image]\nlayers = 0\ncompression = "bz2"\nlayer = 1\n'
    )
    assert command(["show", "pyproject.toml"]) != 0
    said_of = "".join(capsys.readouterr())
    assert "0 is no number of layers" in said_of
    assert "'bz2' is no compression" in said_of
    assert "layers" in said_of


def test_a_push_of_what_is_there_writes_nothing(here, capsys, server):  # noqa: F811
    registry = FakeRegistry(server)
    words = ["image", "--locked", "--engine", "oci", "--push", "--json", "--tag", registry.reference("team/app:1")]
    assert command(words) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["built"], first["engine"]) == (True, "oci")

    def files():
        return {(path, path.stat().st_mtime_ns) for path in cache_root().rglob("*") if path.is_file()}

    before = files()
    assert command(words) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["built"], again["engine"], again["digest"]) == (False, "registry", first["digest"])
    assert again["layers"] == first["layers"]
    assert files() == before
    definition = here / "pyproject.toml"
    definition.write_text(definition.read_text() + "\n# another byte\n")
    assert command(words) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == first["digest"]
    server.routes["*"] = lambda request: Answer(status=500)
    assert command(words) != 0


def test_attest_in_the_file_is_looked_at_every_time(here, capsys, server):  # noqa: F811
    registry = FakeRegistry(server)
    definition = here / "pyproject.toml"
    definition.write_text(definition.read_text() + "\nimage = {attest = true}\n")
    assert command(["image", "--locked", "--engine", "oci", "--push", "--tag", registry.reference("team/app:1")]) == 0
    assert last_image(str(definition)) is None

"""The user's own source code in images: imported where it was named, and the only thing that is made again when it changes."""

from __future__ import annotations

import json

import pytest

from envbuild import api
from envbuild.cli.main import run
from envbuild.engines.protocol import BuildOptions
from envbuild.image_at_once import image_answer
from tests.support.code import builds, code_project

pytestmark = pytest.mark.engine

ASK = ("python", "-c", "import adder, mypkg; print(mypkg.answer, adder.__version__, mypkg.__file__)")
THERE = "/opt/env/lib/python3.11/site-packages/mypkg/__init__.py"


@pytest.fixture
def project(tmp_path, index, base_image, request):
    index.add("adder", "1.0")
    more = (
        f'[tool.envbuild]\nbase = "{base_image.reference}"\nallow-distribution = ["debian"]\npython = "3.11"\n'
        f'index-url = "{index.url}"\n'
    )
    path = code_project(tmp_path / "project", needs='"adder"', more=more)
    # an image of its own for each test, as the engine keeps those of the others
    (path.parent / "mypkg/test.py").write_text(f"# {request.node.name}\n")
    api.lock(path)
    return path


def built(path, ca_bundle, engine, **options):
    plan = api.plan(path)
    image = api.image(
        plan, engine=engine, options=BuildOptions(network="host" if engine == "docker" else "", **options),
        secrets={"ca": ca_bundle}, root=path.parent,
    )  # fmt: skip
    return plan, image


def layers(engine, image):
    return json.loads(engine.docker("inspect", image.name).stdout)[0]["RootFS"]["Layers"]


def change(path):
    (path.parent / "mypkg/__init__.py").write_text("answer = 2\n\n\ndef main():\n    print('answer', answer)\n")


@pytest.mark.parametrize("name", ["docker", "oci"])
def test_the_image_imports_it_and_a_change_leaves_the_packages_layers(project, on_engine, ca_bundle, name):
    plan, image = built(project, ca_bundle, name)
    assert image.built
    assert on_engine.run(image.name, *ASK).split() == ["1", "1.0", THERE]
    assert on_engine.run(image.name, "mypkg").strip() == "answer 1"

    again, same = built(project, ca_bundle, name)
    assert (same.built, again.image_key, builds(project.parent)) == (False, plan.image_key, 1)

    change(project)
    changed, other = built(project, ca_bundle, name)
    assert other.built
    assert on_engine.run(other.name, *ASK).split() == ["2", "1.0", THERE]
    before, after = layers(on_engine, image), layers(on_engine, other)
    assert len([one for one in before if one not in after]) == 1
    kept = [one.kind for one, two in zip(plan.layers, changed.layers, strict=True) if one.key == two.key]
    assert kept == ["base", "checks", "pip"]


def test_the_command_finds_an_unchanged_image_at_once_and_notices_a_changed_file(project, on_engine, ca_bundle, capsys):
    def image(*options):
        words = ["image", str(project), "--network", "host", "--secret", f"ca={ca_bundle}", "--json", "-q", *options]
        assert run(words) == 0
        return json.loads(capsys.readouterr().out)

    first = image()
    assert first["built"]
    assert [one["kind"] for one in first["layers"]] == ["base", "checks", "pip", "code", "config"]
    assert json.loads(image_answer([str(project), "--json"]))["name"] == first["name"]
    assert not image()["built"]
    assert image("--no-code")["name"] != first["name"]
    image()
    change(project)
    assert image_answer([str(project), "--json"]) == ""
    second = image()
    assert (second["built"], second["name"] == first["name"]) == (True, False)


def test_two_assemblies_with_own_code_are_the_same_to_the_byte(project, on_engine, ca_bundle, tmp_path, monkeypatch):
    digests = []
    for name in ("one", "two"):
        monkeypatch.setenv("ENVBUILD_CACHE_DIR", str(tmp_path / name))
        _, image = built(project, ca_bundle, "oci", output=f"oci:{tmp_path}/{name}-image")
        digests.append(image.digest)
    assert digests[0] == digests[1]
    assert builds(project.parent) == 2


def test_a_saved_context_brings_the_code_without_envbuild(project, on_engine, ca_bundle, tmp_path):
    api.write_context(api.plan(project), tmp_path / "context", root=project.parent)
    on_engine.build(tmp_path / "context", tag="own-code:context", secrets={"ca": ca_bundle})
    assert on_engine.run("own-code:context", *ASK).split() == ["1", "1.0", THERE]

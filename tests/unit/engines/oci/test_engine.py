"""The whole road on bases in files: no engine, no registry, no network."""

import hashlib
import json
import tarfile
from dataclasses import replace

import pytest

from envbuild.code.wheel import code_of
from envbuild.core.definition import CodeFolder
from envbuild.core.errors import EngineError, EnvbuildError, IntegrityError, PlanError
from envbuild.core.lock import LockedApt, LockedPython, PipFile, PipPackage, Vcs
from envbuild.core.platforms import parse_platform
from envbuild.core.progress import Progress
from envbuild.engines.oci.engine import OciEngine
from envbuild.engines.oci.settings import OciSettings
from envbuild.engines.oci.store import Store
from envbuild.engines.protocol import BuildOptions
from envbuild.files import cache_root
from envbuild.net.layers import members
from envbuild.net.oci_layout import image_source
from tests.oci.making import MERGED_USR, layout, on_disk, plan, service
from tests.support.code import code_project
from tests.unit.engines.test_elf import elf_file

LINUX = parse_platform("linux-64")
ALONE = OciSettings(load=False)


class Notes(Progress):
    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


@pytest.fixture
def base(tmp_path):
    return layout(tmp_path / "base", MERGED_USR)


@pytest.fixture
def packages(tmp_path):
    return [
        on_disk(tmp_path / "wheels", "adder", "1.0"),
        on_disk(tmp_path / "wheels", "greeter", "1.0", entry_points={"greet": "greeter:main"}),
    ]


def assembled(plan_, output, settings=ALONE, **said):
    return OciEngine(settings).image(plan_, name="demo/image:1", options=BuildOptions(output=output), **said)


def content(path, ref=""):
    """Return what a container would see of the added layers: path → kind, mode, owner."""
    source = image_source(path, ref)
    image = source.resolve(LINUX)
    found = {}
    for layer in image.layers[1:]:
        with source.blob(layer) as blob:
            for member, _ in members(blob, "layer"):
                found[f"/{member.name}"] = (member.type, member.mode, member.uid)
    return image, found


@pytest.mark.parametrize("output", ["oci:{}/image", "oci-archive:{}/image.tar", "docker-archive:{}/image.tar"])
def test_the_image_is_written_where_it_is_wanted(tmp_path, base, packages, output):
    made = assembled(plan(tmp_path, pip=packages, base=base, app=service()), output.format(tmp_path))
    image, found = content(tmp_path / output.rpartition("/")[2])
    assert made.id == image.config_descriptor.digest
    assert found["/opt/env/bin/greet"][1] == 0o755
    assert "/opt/env/lib/python3.11/site-packages/adder.py" in found
    assert found["/home/app"][2] == 1000
    assert "/var/azureml-app/server.py" in found
    if output.startswith("oci"):
        assert image.digest == made.digest


def test_two_builds_are_the_same_to_the_byte(tmp_path, base, packages, monkeypatch):
    made = plan(tmp_path, pip=packages, base=base, app=service())
    assembled(made, f"oci-archive:{tmp_path}/one.tar")
    monkeypatch.setenv("ENVBUILD_CACHE_DIR", str(tmp_path / "another-cache"))
    assembled(made, f"oci-archive:{tmp_path}/two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_own_code_is_a_layer_above_the_packages_and_the_only_one_that_its_change_moves(tmp_path, base, packages):
    project = tmp_path / "project"
    code_project(project)

    def diff_ids(name):
        code = (code_of(CodeFolder(path="project"), tmp_path),)
        assembled(plan(tmp_path, pip=packages, base=base, app=service(), code=code), f"oci:{tmp_path}/{name}")
        image, found = content(tmp_path / name)
        assert "/opt/env/lib/python3.11/site-packages/mypkg/__init__.py" in found
        assert found["/opt/env/bin/mypkg"][1] == 0o755
        return image.diff_ids

    before = diff_ids("one")
    (project / "mypkg/__init__.py").write_text("answer = 2\n")
    after = diff_ids("two")
    moved = [number for number, (one, two) in enumerate(zip(before, after, strict=True)) if one != two]
    assert moved == [len(before) - 2]


def test_an_image_that_is_there_is_not_assembled_again(tmp_path, base, packages):
    made = plan(tmp_path, pip=packages, base=base)
    first, second = assembled(made, ""), assembled(made, "")
    assert (first.built, second.built) == (True, False)
    assert (first.id, first.digest, first.size) == (second.id, second.digest, second.size)
    assert assembled(made, "", reuse=False).built


def test_an_image_whose_layer_was_lost_is_assembled_again(tmp_path, base, packages):
    made = plan(tmp_path, pip=packages, base=base)
    first = assembled(made, "")
    for blob in (cache_root() / "images" / "blobs" / "sha256").iterdir():
        if blob.stat().st_size < 2000 and not blob.read_bytes().startswith(b"{"):
            blob.unlink()
    again = assembled(made, "")
    assert (again.built, again.digest) == (True, first.digest)


def test_damage_that_shows_on_the_way_out_is_mended(tmp_path, base, packages):
    import os

    made = plan(tmp_path, pip=packages, base=base)
    first = assembled(made, "")
    store = Store()
    manifest = json.loads(store.read(store.named("demo/image:1")))
    path = store.blob_path(manifest["layers"][-1]["digest"])
    before, data = path.stat(), bytearray(path.read_bytes())
    data[-12] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = assembled(made, f"oci:{tmp_path}/image")
    assert again.digest == first.digest
    assert content(tmp_path / "image")[0].digest == first.digest


def test_a_layout_takes_further_images(tmp_path, base, packages):
    made = plan(tmp_path, pip=packages, base=base)
    assembled(made, f"oci:{tmp_path}/image")
    OciEngine(ALONE).image(
        plan(tmp_path, pip=packages[:1], base=base),
        name="other/image:2",
        options=BuildOptions(output=f"oci:{tmp_path}/image"),
    )
    assert (
        content(tmp_path / "image", "demo/image:1")[0].digest != content(tmp_path / "image", "other/image:2")[0].digest
    )


def test_without_an_interpreter_that_runs_the_image_says_so(tmp_path, base, packages):
    notes = Notes()
    assembled(plan(tmp_path, pip=packages, base=base), f"oci:{tmp_path}/image", progress=notes)
    assert any("without bytecode" in text and "no ELF program" in text for text in notes.said)
    image, found = content(tmp_path / "image")
    assert json.loads(image.manifest)["annotations"]["dev.envbuild.bytecode"] == "none"
    assert not [path for path in found if path.endswith(".pyc")]


def test_a_missing_library_is_named_with_the_way_out(tmp_path, base):
    files = {"fast/_fast.so": elf_file(needed=("libgomp.so.1", "libc.so.6"))}
    packages = [on_disk(tmp_path / "wheels", "fast", "1.0", files=files)]
    notes = Notes()
    assembled(plan(tmp_path, pip=packages, base=base), "", progress=notes)
    assert any("fast needs libgomp.so.1" in text and "libgomp1" in text for text in notes.said)


def test_nothing_of_the_image_takes_the_place_of_a_link_of_the_base(tmp_path, packages):
    base = layout(tmp_path / "base", {**MERGED_USR, "opt": "-> var/opt", "var/opt": None})
    assembled(plan(tmp_path, pip=packages, base=base), f"oci:{tmp_path}/image")
    _, found = content(tmp_path / "image")
    assert "/var/opt/env/bin/greet" in found
    assert not {"/opt", "/bin", "/lib", "/var", "/usr"} & found.keys()


def test_a_clash_of_two_packages_is_refused(tmp_path, base):
    packages = [on_disk(tmp_path / "w", name, "1.0", files={"shared.py": f"x = '{name}'\n"}) for name in ("one", "two")]
    with pytest.raises(PlanError, match=r"one and two both have .*shared\.py"):
        assembled(plan(tmp_path, pip=packages, base=base), f"oci:{tmp_path}/image")
    assert not (tmp_path / "image").exists()


def test_a_package_cannot_take_the_place_of_the_environments_own_files(tmp_path, base):
    packages = [on_disk(tmp_path / "w", "evil", "1.0", files={"evil-1.0.data/data/pyvenv.cfg": "home = /evil\n"})]
    with pytest.raises(PlanError, match="envbuild and evil both have"):
        assembled(plan(tmp_path, pip=packages, base=base), f"oci:{tmp_path}/image")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prefix": b"x"}, "has files in /opt/env already"),
        ({"etc/os-release": b"ID=alpine\nVERSION_ID=3.20\n"}, "alpine 3.20"),
    ],
)
def test_a_base_that_does_not_fit_is_refused(tmp_path, packages, change, said):
    files = {**MERGED_USR, **change}
    if "prefix" in files:
        files["opt/env/bin/tool"] = files.pop("prefix")
    with pytest.raises(PlanError, match=said):
        assembled(plan(tmp_path, pip=packages, base=layout(tmp_path / "b", files)), "")


def test_a_base_without_the_interpreter_is_refused_with_those_it_has(tmp_path, base, packages):
    python = LockedPython(version="3.12", provider="base", interpreter="/usr/bin/python3.12")
    with pytest.raises(PlanError, match=r"no /usr/bin/python3.12; its interpreters: /usr/bin/python3.11"):
        assembled(plan(tmp_path, pip=packages, base=base, python=python), "")


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"apt": LockedApt(packages=("git",))}, "apt packages git"),
        ({"more": 'docker-steps = ["RUN true"]'}, "Docker steps"),
        ({"python": LockedPython(version="3.11", provider="apt")}, "Python comes from apt"),
    ],
)
def test_what_must_be_run_is_refused_with_the_ways_out(tmp_path, base, wishes, said):
    with pytest.raises(PlanError, match=said) as caught:
        assembled(plan(tmp_path, base=base, **wishes), "")
    assert "--engine docker" in caught.value.problems[0].hint
    assert "FROM" in caught.value.problems[0].hint


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (
            PipPackage(name="src", version="1", sdist=PipFile(filename="src-1.tar.gz", hashes=(("sha256", "a" * 64),))),
            "a source distribution",
        ),
        (
            PipPackage(name="git", version="1", vcs=Vcs(type="git", url="https://git.example/x", commit="c" * 40)),
            "from version control",
        ),
        (PipPackage(name="here", version="1", directory="."), "a folder"),
    ],
)
def test_what_must_be_built_is_refused_with_the_way_out(tmp_path, base, package, said):
    with pytest.raises(PlanError, match=said) as caught:
        assembled(plan(tmp_path, pip=[package], base=base), "")
    assert "build a wheel" in caught.value.problems[0].hint


def test_all_that_is_refused_is_said_at_once(tmp_path, base):
    source = PipPackage(name="src", version="1", directory=".")
    with pytest.raises(PlanError) as caught:
        assembled(plan(tmp_path, pip=[source], base=base, apt=LockedApt(packages=("git",))), "")
    assert len(caught.value.problems) == 2


def test_a_wheel_that_is_not_the_locks_is_refused(tmp_path, base, packages):
    [path] = (tmp_path / "wheels").glob("adder*")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(IntegrityError, match="adder"):
        assembled(plan(tmp_path, pip=packages, base=base), "")


def test_a_wheel_that_is_gone_is_named(tmp_path, base, packages):
    [path] = (tmp_path / "wheels").glob("adder*")
    path.unlink()
    with pytest.raises(PlanError, match=r"adder.*is not there"):
        assembled(plan(tmp_path, pip=packages, base=base), "")


def test_a_size_that_the_lock_does_not_tell_changes_nothing(tmp_path, base, packages):
    unknown = [replace(one, wheels=(replace(one.wheels[0], size=None),)) for one in packages]
    first = assembled(plan(tmp_path, pip=packages, base=base), "")
    assert assembled(plan(tmp_path, pip=unknown, base=base), "", reuse=False).digest == first.digest


def test_a_file_of_the_application_that_changed_meanwhile_is_refused(tmp_path, base):
    app = service()
    changed = replace(app, files=(replace(app.files[0], content=b"other"),))
    with pytest.raises(IntegrityError, match=r"server\.py changed"):
        assembled(plan(tmp_path, base=base, app=changed), f"oci:{tmp_path}/image")


def test_a_package_appended_to_an_earlier_image_leaves_its_layers_alone(tmp_path, base, packages):
    more = [*packages, on_disk(tmp_path / "wheels", "added", "1.0")]
    OciEngine(ALONE).image(plan(tmp_path, pip=packages, base=base), name="demo/before:1")
    assembled(
        plan(tmp_path, pip=more, base=base), f"oci:{tmp_path}/image", OciSettings(load=False, append_to="demo/before:1")
    )
    store = Store()
    before = json.loads(store.read(store.named("demo/before:1")))["layers"]
    after = json.loads(content(tmp_path / "image")[0].manifest)["layers"]
    assert after[: len(before)] == before
    assert after[-1]["annotations"] == {"dev.envbuild.packages": "added==1.0"}


def test_an_earlier_image_that_is_nowhere_is_named(tmp_path, base, packages, monkeypatch):
    monkeypatch.setenv("ENVBUILD_OFFLINE", "1")
    with pytest.raises(EnvbuildError, match="no earlier image nowhere/image"):
        assembled(plan(tmp_path, pip=packages, base=base), "", OciSettings(load=False, append_to="nowhere/image:1"))


@pytest.mark.parametrize("output", ["tar:x", "oci", "oci:", "docker:x", "registry:x", "OCI:x", ":x"])
def test_an_output_that_is_none_is_refused(tmp_path, base, output):
    with pytest.raises(EngineError, match="is not one that the oci engine has"):
        assembled(plan(tmp_path, base=base), output)


def test_a_push_needs_a_name(tmp_path, base):
    with pytest.raises(EngineError, match="no name to push to"):
        OciEngine(ALONE).image(plan(tmp_path, base=base), name="demo/image:1", options=BuildOptions(push=True))


def test_an_image_without_packages_is_an_environment_without_packages(tmp_path, base):
    assembled(plan(tmp_path, base=base), f"oci:{tmp_path}/image")
    image, found = content(tmp_path / "image")
    assert len(image.layers) == 2
    assert found["/opt/env/bin/python"][0] == tarfile.SYMTYPE


def test_a_user_managed_environment_gets_no_prefix(tmp_path, base):
    made = plan(
        tmp_path, base=base, more='user-managed = true\ninterpreter-path = "/usr/bin/python3.11"', app=service()
    )
    assembled(made, f"oci:{tmp_path}/image")
    assert not [path for path in content(tmp_path / "image")[1] if path.startswith("/opt")]


def test_provenance_names_all_that_the_image_is_made_of(tmp_path, base, packages):
    from envbuild.formats.statements import image_statements
    from envbuild.net.images import Descriptor

    made = plan(tmp_path, pip=packages, base=base)
    subject = Descriptor.of(b"manifest", "application/vnd.oci.image.manifest.v1+json")
    said, sbom = map(json.loads, image_statements(made, "registry.example/team/app", subject.digest))
    assert said["subject"] == [{"name": "registry.example/team/app", "digest": {"sha256": subject.digest[7:]}}]
    used = said["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert [one["digest"]["sha256"] for one in used[1:]] == [one.wheels[0].sha256 for one in packages]
    assert sbom["subject"] == said["subject"]
    assert {one.name for one in packages} <= {one["name"] for one in sbom["predicate"]["components"]}


def test_one_image_for_two_platforms_shares_the_layers_that_are_the_same(tmp_path, packages):
    from envbuild.core.lock import LockedBase
    from envbuild.engines.making import index_key
    from envbuild.engines.oci.platforms import platforms_image

    layout(tmp_path / "amd64", MERGED_USR)
    layout(tmp_path / "arm64", MERGED_USR, oci="linux/arm64")
    both = ("linux-64", "linux-aarch64")
    plans = [
        plan(tmp_path, pip=packages, base=LockedBase(reference=f"oci:{tmp_path}/{name}"), platforms=both, platform=one)
        for one, name in (("linux-64", "amd64"), ("linux-aarch64", "arm64"))
    ]
    output = BuildOptions(output=f"oci:{tmp_path}/image")
    made = platforms_image(OciEngine(ALONE), plans, key="k", name="demo/both:1", options=output)
    amd, arm = (image_source(tmp_path / "image").resolve(parse_platform(one)) for one in both)
    assert amd.index_digest == arm.index_digest == made.digest
    assert amd.digest != arm.digest
    assert amd.diff_ids[1:] == arm.diff_ids[1:]
    assert index_key(plans) == index_key(plans[::-1])
    again = platforms_image(OciEngine(ALONE), plans[::-1], key="k", name="demo/both:1", options=output)
    assert again.digest == made.digest


def test_several_platforms_go_where_several_fit(tmp_path, base):
    from envbuild.engines.oci.platforms import platforms_image

    with pytest.raises(EngineError, match="registry or into an OCI layout"):
        platforms_image(
            OciEngine(ALONE), [plan(tmp_path, base=base)], key="k", name="x:1", options=BuildOptions(output="docker")
        )
    with pytest.raises(EngineError, match="one plan for each"):
        platforms_image(OciEngine(ALONE), [], key="k", name="x:1", options=BuildOptions(output=f"oci:{tmp_path}/image"))


def test_an_image_of_other_settings_is_another_image(tmp_path, base, packages):
    made = plan(tmp_path, pip=packages, base=base)
    assembled(made, "")
    assert assembled(made, "", OciSettings(load=False, layers=1)).built
    assert not assembled(made, "", OciSettings(load=False, layers=1)).built


def test_what_belongs_to_a_dockerfile_is_refused(tmp_path, base):
    options = BuildOptions(build_args=(("A", "1"),), target="stage")
    with pytest.raises(EngineError, match="--build-arg, --target: the oci engine builds no Dockerfile"):
        OciEngine(ALONE).image(plan(tmp_path, base=base), name="demo/image:1", options=options)


@pytest.mark.parametrize("compression", ["gzip", "zlib", "zstd", "none"])
def test_a_docker_that_is_near_gets_layers_unpacked(tmp_path, base, packages, compression):
    from envbuild.engines.oci.assemble import Assembler
    from envbuild.engines.oci.docker_archive import docker_archive

    assembler = Assembler(settings=OciSettings(load=False, compression=compression))
    made = assembler.assemble(plan(tmp_path, pip=packages, base=base))
    archive = docker_archive(made, made.config_data, assembler.store, ["demo/image:1"], unpacked=True)
    data = b"".join(archive.pieces())
    assert len(data) == archive.size
    (tmp_path / "image.tar").write_bytes(data)
    image = image_source(tmp_path / "image.tar").resolve(LINUX)
    assert image.diff_ids == made.diff_ids
    with tarfile.open(tmp_path / "image.tar") as archive:
        sizes = {one.name.partition("/")[0]: one.size for one in archive if one.name.endswith("/layer.tar")}
        for layer in made.layers:
            digits = layer.diff_id.partition(":")[2]
            assert sizes[digits] == layer.plain_size
            with archive.extractfile(f"{digits}/layer.tar") as content:
                assert hashlib.sha256(content.read()).hexdigest() == digits

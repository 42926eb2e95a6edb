"""The oci engine beside a real one: what it assembles runs in docker like what docker built from the same lock."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

from envbuild import api, programs
from envbuild.core.image_settings import ImageSettings
from envbuild.core.lock import LockedBase, LockedPython
from envbuild.core.plan import Plan
from envbuild.core.progress import Progress
from envbuild.engines.docker import DockerEngine
from envbuild.engines.oci.engine import OciEngine
from envbuild.engines.oci.settings import OciSettings
from envbuild.engines.protocol import BuildOptions, RunOptions
from envbuild.render import RenderOptions
from tests.oci.making import conda, on_disk, plan, released, service
from tests.support.base_image import BaseImage
from tests.support.channel import Channel, python_module
from tests.support.conda_archive import CondaPackage
from tests.support.engine import Engine
from tests.support.index import Index
from tests.unit.engines.test_elf import elf_file

pytestmark = pytest.mark.engine

GREETER = {"greeter.py": "import adder\n\n\ndef main():\n    print('hello, adder', adder.__version__)\n"}


def locked(base: BaseImage) -> LockedBase:
    return LockedBase(reference=base.reference, digest=base.digest, distribution="debian 12")


def pip_plan(folder: Path, index: Index, base: BaseImage, *, version: str = "1.0") -> Plan:
    adder = index.add("adder", version)
    greeter = index.add("greeter", "1.0", files=GREETER, entry_points={"greet": "greeter:main"})
    packages = [released(index, adder), released(index, greeter)]
    return plan(
        folder,
        pip=packages,
        base=locked(base),
        app=service(),
        more='pip = ["adder", "greeter"]',
        index_url=index.url,
        python=LockedPython(version="3.11", provider="base", interpreter="/usr/bin/python3.11"),
    )


def conda_plan(folder: Path, channel: Channel, python: list[CondaPackage], base: BaseImage) -> Plan:
    packages = [
        *python,
        channel.add(python_module("adder", "1.0")),
        channel.add(python_module("greeter", "1.0", modules=GREETER, entry_points=["greet = greeter:main"])),
    ]
    return plan(
        folder,
        conda=conda(channel, packages),
        base=locked(base),
        app=service(),
        more='channels = ["conda-forge"]\npython = "3.11"\ndependencies = ["adder", "greeter"]',
        python=LockedPython(version="3.11.2", provider="conda"),
        channels=(channel.url,),
    )


def behaves(engine: Engine, image: str) -> dict[str, object]:
    """Run the checks that both roads must pass and return what they told, for comparison."""
    assert engine.run(image, "greet").strip() == "hello, adder 1.0"
    told = engine.run(
        image,
        "python",
        "-c",
        "import os, sys, adder, json, importlib.metadata as m; print(json.dumps({"
        "'uid': os.getuid(), 'cwd': os.getcwd(), 'prefix': sys.prefix, 'home': os.environ['HOME'], "
        "'greeting': os.environ['GREETING'], 'path': os.environ['PATH'], 'version': sys.version, "
        "'adder': adder.__file__, 'distributions': sorted({d.metadata['Name'] for d in m.distributions()} & {'adder', 'greeter'})}))",
    )
    assert engine.run(image, "sh", "-c", "touch ~/mine && stat -c %u ~/mine ~").split() == ["1000", "1000"]
    assert engine.run(image, "sh", "-c", "stat -c %a,%u /bin/sh /opt/env /opt/env/bin").count(",0") == 3
    return dict(json.loads(told))


def config_of(engine: Engine, image: str) -> dict[str, object]:
    config = json.loads(engine.docker("inspect", image).stdout)[0]["Config"]
    names = ("Env", "User", "WorkingDir", "Cmd", "Entrypoint", "ExposedPorts", "Healthcheck", "Labels")
    return {name: sorted(config[name]) if name == "Env" else config.get(name) or None for name in names}


def test_a_wheel_image_behaves_as_the_one_that_docker_builds(on_engine, base_image, index, tmp_path):
    made = pip_plan(tmp_path, index, base_image)
    assembled = OciEngine().image(made, name="oci-road/pip:1", options=BuildOptions(output="docker"))
    assert assembled.built
    built = DockerEngine().image(
        made,
        name="docker-road/pip:1",
        options=BuildOptions(network="host"),
        render_options=RenderOptions(pip_installer="pip"),
        root=tmp_path,
    )
    assert built.built
    assert behaves(on_engine, "oci-road/pip:1") == behaves(on_engine, "docker-road/pip:1")
    assert config_of(on_engine, "oci-road/pip:1") == config_of(on_engine, "docker-road/pip:1")


def test_the_service_answers_and_is_healthy(on_engine, base_image, index, tmp_path):
    made = pip_plan(tmp_path, index, base_image)
    OciEngine().image(made, name="oci-road/service:1", options=BuildOptions(output="docker"))
    engine = DockerEngine()
    container = engine.start("oci-road/service:1", RunOptions(ports=((5001, 0),)))
    try:
        answer = retried(lambda: json.loads(urllib.request.urlopen(container.url(5001), timeout=5).read()))
        assert answer == {"adder": "1.0", "uid": 1000, "prefix": "/opt/env"}
        state = engine.client.containers.get(container.id)
        code, _ = state.exec_run(state.attrs["Config"]["Healthcheck"]["Test"][1:])
        assert code == 0
    finally:
        engine.stop(container, patience=1)


def test_the_bytecode_is_used(on_engine, base_image, index, tmp_path):
    made = pip_plan(tmp_path, index, base_image)
    OciEngine().image(made, name="oci-road/bytecode:1", options=BuildOptions(output="docker"))
    said = on_engine.docker("run", "--rm", "oci-road/bytecode:1", "python", "-v", "-c", "import adder").stderr
    assert "adder.cpython-311.pyc matches" in said
    OciEngine(OciSettings(bytecode=False)).image(made, name="oci-road/bare:1", options=BuildOptions(output="docker"))
    said = on_engine.docker("run", "--rm", "oci-road/bare:1", "python", "-v", "-c", "import adder").stderr
    assert "matches /opt/env" not in said


def test_a_conda_image_behaves_as_a_wheel_image(  # noqa: PLR0917
    on_engine, bare_base_image, base_image, index, channel, conda_python, tmp_path
):
    for package in conda_python:
        channel.add(package)
    made = conda_plan(tmp_path / "conda", channel, conda_python, bare_base_image)
    OciEngine().image(made, name="oci-road/conda:1", options=BuildOptions(output="docker"))
    OciEngine().image(
        pip_plan(tmp_path / "pip", index, base_image), name="oci-road/pip:2", options=BuildOptions(output="docker")
    )
    by_conda, by_pip = behaves(on_engine, "oci-road/conda:1"), behaves(on_engine, "oci-road/pip:2")
    del by_conda["version"], by_pip["version"]
    assert by_conda == by_pip
    said = on_engine.docker("run", "--rm", "oci-road/conda:1", "python", "-v", "-c", "import adder, json").stderr
    assert "adder.cpython-311.pyc matches" in said
    assert "json/__pycache__/__init__.cpython-311.pyc matches" in said


def test_wheels_on_conda_lie_in_one_prefix(on_engine, bare_base_image, index, channel, conda_python, tmp_path):  # noqa: PLR0917
    for package in conda_python:
        channel.add(package)
    adder = channel.add(python_module("adder", "1.0"))
    greeter = index.add("greeter", "1.0", files=GREETER, entry_points={"greet": "greeter:main"})
    made = plan(
        tmp_path,
        conda=conda(channel, [*conda_python, adder]),
        pip=[released(index, greeter)],
        base=locked(bare_base_image),
        more='channels = ["conda-forge"]\npython = "3.11"\ndependencies = ["adder"]\npip = ["greeter"]',
        python=LockedPython(version="3.11.2", provider="conda"),
        app=service(),
    )
    OciEngine().image(made, name="oci-road/mixed:1", options=BuildOptions(output="docker"))
    assert behaves(on_engine, "oci-road/mixed:1")["prefix"] == "/opt/env"


def test_a_pushed_image_is_what_the_registry_gives(on_engine, registry, base_image, index, tmp_path):
    made = pip_plan(tmp_path, index, base_image)
    name = f"{registry}/oci-road/pushed:1"
    pushed = api.image(made, engine="oci", tags=(name,), options=BuildOptions(push=True))
    again = api.image(made, engine="oci", tags=(name,), options=BuildOptions(push=True))
    assert pushed.built
    assert not again.built
    assert again.digest == pushed.digest
    on_engine.docker("pull", name)
    assert behaves(on_engine, name)
    if programs.find("skopeo"):
        said = json.loads(programs.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{name}"]).stdout)
        assert said["Digest"] == pushed.digest


def test_another_package_loads_only_what_is_new(on_engine, base_image, index, tmp_path):
    from envbuild.engines.docker_images import DockerImages
    from envbuild.engines.oci.into_docker import KnownLayers
    from envbuild.engines.oci.store import Store

    first = pip_plan(tmp_path / "first", index, base_image)
    OciEngine().image(first, name="oci-road/first:1", options=BuildOptions(output="docker"))
    engine = DockerEngine()
    known = engine.client.api.inspect_image("oci-road/first:1")["RootFS"]["Layers"]
    assert KnownLayers(DockerImages(engine).layers()).present([*known[:-1], "sha256:" + "0" * 64]) == len(known) - 1
    second = pip_plan(tmp_path / "second", index, base_image, version="2.0")
    OciEngine().image(second, name="oci-road/second:1", options=BuildOptions(output="docker"))
    assert on_engine.run("oci-road/second:1", "greet").strip() == "hello, adder 2.0"
    assert Store().named("oci-road/second:1") is not None


def test_a_large_image_is_loaded_while_it_is_assembled_and_leaves_nothing_else(
    on_engine, base_image, tmp_path, monkeypatch
):
    from envbuild.engines.oci import into_docker

    sent, at_hand, archive = [], [], into_docker.docker_archive

    def recorded(image, config, store, names, **more):
        sent.append(names)
        at_hand.extend(more["at_hand"])
        return archive(image, config, store, names, **more)

    made_of = into_docker.IntoDocker.made

    def made_once_others_are_on_their_way(self, number, layer):
        # how fast the engine answers and layers are made is no matter of this test
        for _ in range(600):
            if number < 2 or sent:
                break
            time.sleep(0.05)
        made_of(self, number, layer)

    monkeypatch.setattr(into_docker, "docker_archive", recorded)
    monkeypatch.setattr(into_docker.IntoDocker, "made", made_once_others_are_on_their_way)
    names = ("one", "two", "three")
    wheels = [on_disk(tmp_path / "wheels", name, "1.0", files={f"{name}/data": os.urandom(20 << 20)}) for name in names]
    python = LockedPython(version="3.11", provider="base", interpreter="/usr/bin/python3.11")
    made = plan(tmp_path, pip=wheels, base=locked(base_image), app=service(), python=python)
    image = OciEngine(OciSettings(layers=4)).image(made, name="oci-road/large:1", options=BuildOptions(output="docker"))
    assert sent[-1] == ("oci-road/large:1",)
    assert () in sent
    assert len(at_hand) == len(set(at_hand)) >= len(names)
    found = DockerEngine().client.api.images(all=True, filters={"label": into_docker.PARTIAL})
    assert found == []
    assert on_engine.run("oci-road/large:1", "python", "-c", "import sys; print(sys.prefix)").strip() == "/opt/env"
    assert image.id == DockerEngine().inspect("oci-road/large:1").id


def retried(ask, attempts=100):
    for _ in range(attempts):
        with contextlib.suppress(OSError):
            return ask()
        time.sleep(0.2)
    return ask()


def test_an_sbom_and_the_provenance_lie_beside_the_image(on_engine, registry, base_image, index, tmp_path):
    from envbuild.core.reference import ImageReference
    from envbuild.net.registry import RegistryClient
    from envbuild.net.registry_push import referrers

    name = f"{registry}/oci-road/attested:1"
    made = pip_plan(tmp_path, index, base_image)
    for _ in range(2):
        image = api.image(
            made,
            engine="oci",
            tags=(name,),
            reuse=False,
            options=BuildOptions(push=True),
            settings=ImageSettings(attest=True),
        )
    client = RegistryClient()
    found = referrers(client, ImageReference.parse(name).with_digest(image.digest))
    kinds = {"application/vnd.cyclonedx+json", "application/vnd.in-toto+json"}
    assert len(found) == 2
    assert {one.artifact_type for one in found} == kinds


def test_what_one_engine_pushed_is_found_by_the_other(on_engine, registry, base_image, index, tmp_path):
    made = pip_plan(tmp_path, index, base_image)
    options = BuildOptions(push=True, network="host")
    first = api.image(made, engine="docker", tags=(f"{registry}/oci-road/shared:1",), options=options)
    second = api.image(made, engine="oci", tags=(f"{registry}/oci-road/shared:2",), options=BuildOptions(push=True))
    assert (first.built, second.built, second.engine) == (True, False, "registry")
    assert first.digest == second.digest
    on_engine.docker("pull", f"{registry}/oci-road/shared:2")
    third = api.image(made, engine="docker", tags=(f"{registry}/oci-road/shared:3",), options=options, reuse=False)
    assert third.built


@pytest.mark.parametrize("builder", ["docker", "oci"])
def test_a_missing_library_is_named_whichever_engine_builds(on_engine, base_image, index, tmp_path, builder):
    said = []

    class Notes(Progress):
        def note(self, text):
            said.append(text)

    fast = index.add("fast", "1.0", files={"fast/_fast.so": elf_file(needed=("libgomp.so.1", "libc.so.6"))})
    made = plan(
        tmp_path,
        pip=[released(index, fast)],
        base=locked(base_image),
        more='pip = ["fast"]',
        index_url=index.url,
        python=LockedPython(version="3.11", provider="base", interpreter="/usr/bin/python3.11"),
    )
    image = api.image(made, engine=builder, reuse=False, options=BuildOptions(network="host"), progress=Notes())
    assert (image.built, image.engine) == (True, builder)
    [note] = [text for text in said if "nothing has" in text]
    assert note.startswith("fast needs libgomp.so.1")
    assert "libgomp1" in note


def test_own_steps_are_run_by_docker_and_the_reason_is_said(on_engine, base_image, index, tmp_path):
    said = []

    class Notes(Progress):
        def note(self, text):
            said.append(text)

    made = plan(
        tmp_path,
        pip=[released(index, index.add("adder", "1.0"))],
        base=locked(base_image),
        more='pip = ["adder"]\ndocker-steps = ["RUN echo done > /step"]',
        index_url=index.url,
        python=LockedPython(version="3.11", provider="base", interpreter="/usr/bin/python3.11"),
    )
    image = api.image(made, engine="oci", options=BuildOptions(network="host"), progress=Notes())
    assert (image.built, image.engine) == (True, "docker")
    assert any("docker builds it" in text and "Docker steps of its own" in text for text in said)
    assert on_engine.run(image.name, "cat", "/step").strip() == "done"


def test_an_index_of_two_platforms_is_pushed_and_found_again(on_engine, registry, index, tmp_path):
    from envbuild.core.platforms import parse_platform
    from envbuild.core.reference import ImageReference
    from envbuild.net.registry import RegistryClient
    from tests.oci.making import MERGED_USR, two_platforms

    both = ("linux-64", "linux-aarch64")
    adder = released(index, index.add("adder", "1.0"))
    base = two_platforms(tmp_path / "base", MERGED_USR)
    made = plan(tmp_path, pip=[adder], base=base, platforms=both)
    name = f"{registry}/oci-road/both:1"
    pushed, again = (
        api.image(
            made,
            tags=(name,),
            platforms=both,
            options=BuildOptions(push=True),
            settings=ImageSettings(attest=True),
        )
        for _ in range(2)
    )
    assert (pushed.built, again.built, again.digest) == (True, False, pushed.digest)
    found = [RegistryClient().resolve(ImageReference.parse(name), parse_platform(one)) for one in both]
    assert {one.configuration["architecture"] for one in found} == {"amd64", "arm64"}


@pytest.mark.slow
def test_podman_takes_what_was_written_for_the_image_that_it_is(on_engine, base_image, index, tmp_path):
    if programs.find("podman") is None or programs.find("crun") is None:
        pytest.skip("podman is not there")
    made = pip_plan(tmp_path, index, base_image)
    output = BuildOptions(output=f"oci-archive:{tmp_path}/image.tar")
    image = OciEngine().image(made, name="oci-road/podman:1", options=output)
    with tempfile.TemporaryDirectory(prefix="pod-", dir="/var/tmp") as folder:
        podman = ["podman", f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=vfs"]
        podman += ["--runtime=crun", "--cgroup-manager=cgroupfs"]
        env = {name: value for name, value in os.environ.items() if name != "DOCKER_CONFIG"}
        try:
            programs.run([*podman, "load", "-i", f"{tmp_path}/image.tar"], env=env)
            identity = programs.run([*podman, "images", "--no-trunc", "--format", "{{.ID}}"], env=env).stdout.strip()
            assert identity == image.id
            limits = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096")
            argv = [*podman, "run", "--rm", "--network=none", *limits, identity, "greet"]
            done = programs.run(argv, env=env, check=False)
            # where this machine's crun runs no container at all, that it is loaded is all that can be seen
            assert done.stdout.strip() == "hello, adder 1.0" or (done.code in (125, 126) and "crun" in done.stderr)
        finally:
            programs.run([*podman, "rmi", "--all", "--force"], env=env, check=False)

"""One contract for all container engines: each builds the same context, keeps it, moves it and, where it can, runs it."""

from __future__ import annotations

import contextlib
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from envbuild import programs
from envbuild.core.definition import Definition
from envbuild.core.errors import EngineError
from envbuild.core.keys import sha256
from envbuild.core.lock import Lock, LockedBase, LockedPython
from envbuild.core.plan import App, AppFile, Plan, make_plan
from envbuild.core.progress import Progress
from envbuild.engines.asking import ask_image
from envbuild.engines.base_digest import inspect_base
from envbuild.engines.buildah import BuildahEngine
from envbuild.engines.detect import pick
from envbuild.engines.docker import DockerEngine
from envbuild.engines.import_check import check_imports
from envbuild.engines.library_check import missing_in_image
from envbuild.engines.podman import PodmanEngine
from envbuild.engines.protocol import BuildOptions, Container, ContainerEngine, ImageEngine, RunOptions
from tests.support import buildx
from tests.support.index import Index
from tests.support.installers import locked

pytestmark = pytest.mark.engine

HOST = BuildOptions(network="host")
SERVER = "import http.server\nhttp.server.test(port=5001, bind='127.0.0.1', HandlerClass=http.server.SimpleHTTPRequestHandler)\n"
LACKING = "raise ImportError('libgomp.so.1: cannot open shared object file: No such file or directory')\n"


@pytest.fixture(scope="module")
def small() -> Iterator[Index]:
    with Index() as server:
        server.add("adder", "1.0", files={"adder.py": "x = 1\n"})
        server.add("lacking", "1.0", files={"lacking.py": LACKING})
        yield server


@pytest.fixture
def plan(small, base_image) -> Plan:
    """A service without installers from afar: pip of the base installs two wheels from loopback."""
    file = AppFile(path="/var/azureml-app/main.py", content=SERVER.encode(), sha256=sha256(SERVER.encode()))
    lock = Lock(
        definition_hash="",
        platforms=("linux-64",),
        pip=tuple(locked(small, one) for one in small.releases),
        index_url=small.url,
        python=LockedPython(version="3.11", provider="base", interpreter="/usr/bin/python3"),
        base=LockedBase(reference=base_image.reference, digest=base_image.digest, distribution="debian 12"),
    )
    app = App(files=(file,), command=("python", "-u", "main.py"), port=5001, health="/", workdir="/var/azureml-app")
    return make_plan(Definition(kind="requirements", name="contract", allow_distribution=("debian",)), lock, app=app)


def docker_with(kind: str) -> DockerEngine:
    """A docker whose builder is the given one, instead of the best."""
    engine = DockerEngine()
    program = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"
    engine.builder = (kind, "" if kind == "rest" else program)  # type: ignore[assignment]
    return engine


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[str, ...]]:
    """A store for podman and buildah, gone with the module: podman wants a short path, and it may lie on no overlay."""
    with tempfile.TemporaryDirectory(prefix="eb-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        yield (f"--root={folder}/s", f"--runroot={folder}/r", "--storage-driver=overlay")
        programs.run(["umount", f"{folder}/s/overlay"], check=False)


BUILDX = pytest.param("buildx", marks=pytest.mark.found(buildx.PLUGIN))


CLASSIC = pytest.param("classic", marks=pytest.mark.slow)


@pytest.fixture(params=[BUILDX, "buildkit", "rest", CLASSIC, "podman", "buildah"])
def builder(request, on_engine, tmp_path, monkeypatch, store) -> ImageEngine:
    if request.param == "buildx":
        buildx.install(tmp_path)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    if request.param not in ("podman", "buildah"):
        return docker_with(request.param)
    if programs.find(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    # this machine's containers have neither systemd nor version 2 of control groups alone
    monkeypatch.setenv("BUILDAH_ISOLATION", "chroot")
    registries = tmp_path / "registries.conf"
    registries.write_text(f'[[registry]]\nlocation = "{on_engine.registry}"\ninsecure = true\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(registries))
    (tmp_path / "auth.json").write_text('{"auths": {}}')
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    runtime = ("--cgroup-manager=cgroupfs", "--runtime=/usr/sbin/runc")
    return BuildahEngine(store) if request.param == "buildah" else PodmanHere((*store, *runtime))


class PodmanHere(PodmanEngine):
    """Podman as root of a machine that has neither systemd nor the limits that it asks for."""

    def start(self, name: str, options: RunOptions | None = None) -> Container:
        options = options or RunOptions()
        here = ("--no-healthcheck", "--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096")
        return super().start(name, replace(options, arguments=(*options.arguments, *here)))


class Notes(Progress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def answer(url: str) -> bytes:
    for _ in range(300):
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as found:
            return found.read()
        time.sleep(0.1)
    pytest.fail(f"{url} does not answer")


def serve(engine: ContainerEngine, name: str) -> None:
    """Run the image, ask it, and stop it."""
    container = engine.start(name, RunOptions(ports=((5001, 0),), network="host"))
    try:
        assert b"main.py" in answer(container.url(5001))
        assert engine.running(container)
        assert "Serving HTTP" in engine.logs(container)
    finally:
        engine.stop(container, patience=1)
    assert not engine.running(container)
    engine.stop(container)


def test_every_engine_builds_keeps_runs_and_moves_an_image(builder, plan, on_engine, tmp_path):
    name = f"{on_engine.registry}/contract/{builder.name}:{plan.image_key[:12]}"
    if isinstance(builder, DockerEngine):
        name = name.replace("/docker:", f"/docker-{builder.builder[0]}:")
    image = builder.image(plan, name=name, tags=("extra:1",), options=HOST, reuse=False)
    assert image.built
    assert image.engine == builder.name
    found = builder.inspect(name)
    assert found is not None
    assert found.id.removeprefix("sha256:") == image.id.removeprefix("sha256:")
    assert dict(found.labels)["org.opencontainers.image.title"] == "contract"
    assert found.config["User"] == "1000:1000"
    assert found.config["Cmd"] == ["python", "-u", "main.py"]
    assert builder.inspect("extra:1").id == found.id
    assert builder.inspect("never-built:1") is None

    again = builder.image(plan, name=name, tags=("other:2",))
    assert not again.built
    assert builder.inspect("other:2").id == found.id

    assert missing_in_image(builder, name) == ()
    notes = Notes()
    check_imports(plan, partial(ask_image, builder, name), notes)
    assert notes.said[0] == "1 of 2 modules of 2 packages can be imported"
    assert notes.said[1].startswith("lacking: `import lacking` needs libgomp.so.1")
    if isinstance(builder, DockerEngine | PodmanEngine):
        serve(builder, name)

    builder.save(name, tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as archive:
        assert "manifest.json" in archive.getnames()
    digest = builder.push(name)
    assert digest.startswith("sha256:")
    builder.remove_image(name)
    assert builder.inspect(name) is None
    builder.pull(name)
    assert builder.inspect(name) is not None


def test_every_engine_names_the_step_that_failed(builder, plan):
    wheel = replace(plan.lock.pip[0].wheels[0], hashes=(("sha256", "0" * 64),))
    lock = replace(plan.lock, pip=(replace(plan.lock.pip[0], wheels=(wheel,)),))
    broken = make_plan(plan.definition, lock, app=plan.app)
    with pytest.raises(EngineError, match=r"the pip step of the build failed \(Dockerfile:\d+\)") as failed:
        builder.image(broken, name="broken", options=HOST)
    assert "HASHES" in str(failed.value)


def test_an_image_pulled_from_a_registry_has_its_digest_and_one_built_here_has_none(on_engine, base_image):
    engine = DockerEngine()
    engine.pull(base_image.reference)
    assert inspect_base(base_image.reference) == base_image.digest
    engine.tag(base_image.reference, "renamed-here:1")
    assert inspect_base("renamed-here:1") == ""
    assert inspect_base("never-seen:1") == ""


def test_the_engine_that_answers_is_picked(on_engine):
    assert pick("auto").name == "docker"
    assert pick("docker").available() is None


def test_ports_are_published_on_loopback_only(on_engine, plan):
    engine = DockerEngine()
    engine.image(plan, name="published", options=HOST)
    container = engine.start("published", RunOptions(ports=((5001, 0),), memory="256m", cpus=0.5, shm_size="32m"))
    try:
        said = on_engine.docker("inspect", container.id).stdout
    finally:
        engine.stop(container, patience=0)
    assert '"HostIp": "127.0.0.1"' in said
    assert '"HostIp": "0.0.0.0"' not in said
    assert '"Memory": 268435456' in said
    assert '"ShmSize": 33554432' in said
    assert dict(container.ports)[5001] > 0

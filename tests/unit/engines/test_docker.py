"""How a docker is chosen and called, against programs that record what they are asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild.context import Context
from envbuild.core.definition import Definition
from envbuild.core.errors import EngineError
from envbuild.core.lock import Lock, LockedBase
from envbuild.core.plan import make_plan
from envbuild.core.progress import Progress
from envbuild.engines import detect, docker, docker_api
from envbuild.engines.docker import Client, DockerEngine, check_supported, choose_builder, find_clients, read_metadata
from envbuild.engines.machine_secrets import default_secrets, without_defaults
from envbuild.engines.protocol import BuildOptions, BuiltImage, ImageInfo

OLD = Client(path="/usr/bin/docker", version="20.10.24+dfsg1", buildx=False)
NEW = Client(path="/usr/local/bin/docker", version="28.2.2", buildx=False)
BUILDX = Client(path="/opt/docker", version="29.0.1", buildx=True)

FAKE = """#!/bin/sh
echo "$DOCKER_BUILDKIT $*" >> {record}
case "$1" in
  --version) echo "{version}" ;;
  buildx)
    if [ "$2" = version ]; then exit {buildx}; fi
    for one in "$@"; do case "$one" in --metadata-file=*) echo '{metadata}' > "${{one#*=}}" ;; esac; done
    echo "#1 [a 1/1] RUN x"; echo "#1 DONE 0.1s" ;;
  build)
    for one in "$@"; do case "$one" in --iidfile=*) echo sha256:1d > "${{one#*=}}" ;; esac; done
    exit {code} ;;
esac
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a docker on PATH that records its arguments."""

    def make(version: str = "Docker version 29.0.1, build 1", *, buildx: bool = True, code: int = 0) -> Path:
        record = tmp_path / "record"
        metadata = json.dumps({"containerimage.config.digest": "sha256:c0", "containerimage.digest": "sha256:d1"})
        program = tmp_path / "bin/docker"
        program.parent.mkdir(exist_ok=True)
        text = FAKE.format(record=record, version=version, buildx=int(not buildx), metadata=metadata, code=code)
        program.write_text(text)
        program.chmod(0o755)
        monkeypatch.setattr(docker.programs, "find", lambda name: str(program) if name == "docker" else None)
        monkeypatch.setattr(DockerEngine, "inspect", lambda _self, name: ImageInfo(id=name, size=7))
        monkeypatch.setattr(DockerEngine, "has_buildkit", lambda _self: True)
        monkeypatch.setenv("ENVBUILD_CACHE_DIR", str(tmp_path / "cache"))
        return record

    return make


@pytest.mark.parametrize(
    ("clients", "rest", "expected"),
    [
        ((NEW, BUILDX), True, ("buildx", "/opt/docker")),
        ((NEW, OLD), True, ("buildkit", "/usr/bin/docker")),
        ((NEW,), True, ("rest", "")),
        ((), True, ("rest", "")),
        ((NEW,), False, ("classic", "/usr/local/bin/docker")),
        ((OLD,), False, ("buildkit", "/usr/bin/docker")),
    ],
)
def test_the_best_builder_is_chosen(clients: tuple[Client, ...], rest: bool, expected: tuple[str, str]) -> None:
    assert choose_builder(clients, rest=rest) == expected


def test_a_client_is_asked_what_it_can(fake) -> None:
    fake(buildx=False)
    assert [(one.major, one.buildx) for one in find_clients()] == [(29, False)]


def test_a_podman_that_calls_itself_docker_is_left_out(fake) -> None:
    fake("podman version 4.3.1")
    assert find_clients() == ()


def test_buildx_is_called_exactly_so(fake, tmp_path: Path) -> None:
    record = fake()
    secret = tmp_path / "netrc"
    secret.write_text("")
    options = BuildOptions(platform="linux/amd64", push=True, builder="farm", cache_to=("type=inline",))
    built = DockerEngine().build(
        Context(dockerfile="FROM x\n", secrets=("netrc",)), ("a:1",), options=options, secrets={"netrc": secret}
    )
    assert (built.id, built.digest, built.size) == ("sha256:c0", "sha256:d1", 7)
    words = record.read_text().splitlines()[-1].split()
    assert words[0] == "1"
    assert words[1:4] == ["buildx", "build", "--progress=plain"]
    assert words[5:-1] == [
        "--builder=farm",
        "--cache-to=type=inline",
        "--push",
        "--tag=a:1",
        "--platform=linux/amd64",
        f"--secret=id=netrc,src={secret}",
    ]
    assert not Path(words[-1]).exists()


def test_an_old_client_builds_with_its_own_buildkit(fake) -> None:
    record = fake("Docker version 20.10.24, build 1", buildx=False)
    assert DockerEngine().build(Context(dockerfile="FROM x\n"), ("a",)).id == "sha256:1d"
    assert record.read_text().splitlines()[-1].startswith("1 build --progress=plain --iidfile=")


def test_a_failed_build_is_an_engine_error_and_leaves_no_folder(fake) -> None:
    record = fake("Docker version 20.10.24, build 1", buildx=False, code=1)
    with pytest.raises(EngineError, match="the build failed"):
        DockerEngine().build(Context(dockerfile="FROM x\n"), ("a",))
    assert not Path(record.read_text().split()[-1]).exists()


def test_a_secret_that_nothing_uses_is_refused_and_one_of_ours_ignored(fake, tmp_path: Path) -> None:
    record = fake()
    with pytest.raises(EngineError, match=r"'token' is not used by the Dockerfile; it uses ca, netrc, pip\.conf"):
        DockerEngine().build(Context(dockerfile=""), ("a",), secrets={"token": tmp_path})
    with pytest.raises(EngineError, match="does not exist"):
        DockerEngine().build(Context(dockerfile=""), ("a",), secrets={"ca": tmp_path / "none"})
    (tmp_path / "ca").write_text("")
    DockerEngine().build(Context(dockerfile=""), ("a",), secrets={"ca": tmp_path / "ca"})
    assert "--secret" not in record.read_text()


@pytest.mark.parametrize(
    ("kind", "options", "refused"),
    [
        ("classic", BuildOptions(output="x"), "--output"),
        ("rest", BuildOptions(ssh=("default",)), "--ssh"),
        ("buildkit", BuildOptions(cache_to=("x",)), "--cache-to"),
        ("classic", BuildOptions(cache_to=("type=inline",)), "--cache-to"),
        ("buildkit", BuildOptions(builder="x"), "--builder"),
    ],
)
def test_what_a_builder_cannot_do_is_said(kind: docker.Builder, options: BuildOptions, refused: str) -> None:
    with pytest.raises(EngineError, match=refused):
        check_supported(kind, options, {})
    check_supported("buildx", options, {})


def test_secrets_are_refused_where_they_cannot_be_given() -> None:
    with pytest.raises(EngineError, match="secrets: not possible with this docker's classic builder"):
        check_supported("classic", BuildOptions(), {"ca": Path("x")})


class Notes(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def test_this_machines_authorities_are_left_out_where_no_secret_can_be_given_and_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    notes = Notes()
    assert without_defaults({**default_secrets(), "netrc": tmp_path / "n"}, notes) == {"netrc": tmp_path / "n"}
    assert notes.said == [
        f"docker without buildx takes no secrets here: build steps do not see {tmp_path}/ca.pem (SSL_CERT_FILE)"
    ]
    named = {"ca": tmp_path / "other.pem"}
    assert without_defaults(named, notes) == named
    assert len(notes.said) == 1


class Pushing(DockerEngine):
    """A docker that remembers what it was told to push and tag, and builds nothing."""

    def __init__(self, *, there: bool) -> None:
        self.there, self.pushed, self.tagged, self.built = there, [], [], []

    def inspect(self, name: str) -> ImageInfo | None:
        return ImageInfo(id="sha256:1", size=1) if self.there else None

    def tag(self, name: str, new: str) -> None:
        self.tagged.append(new)

    def push(self, name: str, progress: object = None) -> str:
        self.pushed.append(name)
        return f"sha256:{len(self.pushed)}"

    def build(self, context: Context, tags: tuple[str, ...], **wishes: object) -> BuiltImage:
        self.built.append((tags, wishes["options"]))
        return BuiltImage(id="sha256:1", digest="sha256:b")


PLAN = make_plan(
    Definition(kind="requirements"),
    Lock(
        definition_hash="",
        platforms=("linux-64",),
        base=LockedBase(reference="ubuntu:24.04", digest=f"sha256:{'a' * 64}"),
    ),
)


@pytest.mark.parametrize("there", [True, False])
def test_only_the_names_that_a_person_gave_are_pushed(there: bool) -> None:
    engine = Pushing(there=there)
    engine.builder = ("buildkit", "docker")  # type: ignore[assignment]
    image = engine.image(
        PLAN, name="envbuild/envbuild_1", tags=("r.example/a:1", "r.example/b:1"), options=BuildOptions(push=True)
    )
    assert engine.pushed == ["r.example/a:1", "r.example/b:1"]
    assert image.digest == "sha256:1"
    assert image.built is not there
    assert engine.tagged == (["r.example/a:1", "r.example/b:1"] if there else [])


def test_a_builder_elsewhere_pushes_itself() -> None:
    engine = Pushing(there=False)
    engine.builder = ("buildx", "docker")  # type: ignore[assignment]
    options = BuildOptions(push=True, builder="farm")
    assert engine.image(PLAN, name="n", tags=("r.example/a:1",), options=options).digest == "sha256:b"
    assert engine.pushed == []
    assert engine.built == [(("r.example/a:1",), replace(options, platform="linux/amd64"))]


@pytest.mark.parametrize("options", [BuildOptions(target="envbuild-base"), BuildOptions(build_args=(("A", "1"),))])
def test_what_is_not_the_keys_image_is_built_and_does_not_get_its_name(options: BuildOptions) -> None:
    engine = Pushing(there=True)
    engine.builder = ("buildkit", "docker")  # type: ignore[assignment]
    image = engine.image(PLAN, name="envbuild/envbuild_1", tags=("mine:1",), options=options)
    assert image.built
    assert image.name == "mine:1"
    assert [names for names, _ in engine.built] == [("mine:1",)]


def test_there_must_be_a_name_to_push() -> None:
    with pytest.raises(EngineError, match="no name to push the image under"):
        Pushing(there=True).image(PLAN, name="n", options=BuildOptions(push=True))


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('{"containerimage.config.digest": "sha256:c", "containerimage.digest": "sha256:m"}', ("sha256:c", "sha256:m")),
        ('{"containerimage.digest": "sha256:c"}', ("sha256:c", "")),
        ("{}", ("", "")),
        ("", ("", "")),
    ],
)
def test_what_buildx_calls_a_digest_is_an_id_where_nothing_was_pushed(
    tmp_path: Path, said: str, found: tuple[str, str]
) -> None:
    (tmp_path / "metadata.json").write_text(said)
    assert read_metadata(tmp_path / "metadata.json") == found


def test_metadata_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    assert read_metadata(tmp_path / "none") == ("", "")


def test_an_engine_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert f"no docker engine answers at unix://{tmp_path}/none.sock" in str(DockerEngine().available())
    with pytest.raises(EngineError, match="no docker engine answers"):
        detect.pick("docker")


def test_docker_host_says_which_engine_is_meant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineError, match="no docker engine answers") as found:
        detect.pick("auto")
    assert [one.hint for one in found.value.problems] == ["unset DOCKER_HOST, or say --engine NAME for another engine"]


def test_an_engine_over_ssh_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://me@build.example")
    monkeypatch.setattr(docker_api, "find_spec", lambda name: None)
    assert "pip install 'envbuild[ssh]'" in str(DockerEngine().available())


def test_an_engine_that_does_not_exist_is_refused() -> None:
    with pytest.raises(EngineError, match="'rkt' is not one of auto, docker"):
        detect.pick("rkt")

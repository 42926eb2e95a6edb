"""An image is looked up by its key in the registry where it should go, before anything is built, whichever engine builds."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from envbuild.cli.main import run
from envbuild.core.errors import EngineError, MustRunError, NetworkError
from envbuild.core.image_settings import ImageSettings
from envbuild.core.lock import LockedApt
from envbuild.core.platforms import parse_platform
from envbuild.core.progress import Progress
from envbuild.core.reference import ImageReference
from envbuild.engines import detect
from envbuild.engines.making import Wish, make_image
from envbuild.engines.protocol import BuildOptions, Image
from envbuild.engines.registry_reuse import key_tag
from envbuild.net.images import digest_of
from envbuild.net.media_types import OCI_MANIFEST
from envbuild.net.registry import RegistryClient
from envbuild.net.registry_push import referrers
from tests.oci.making import MERGED_USR, layout, on_disk, plan, two_platforms
from tests.unit.net.conftest import server  # noqa: F401 - a fixture
from tests.unit.net.loopback import Answer
from tests.unit.net.samples import FakeRegistry

PUSH = BuildOptions(push=True)


class Notes(Progress):
    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


class Stand:
    """A container engine that only remembers what it was asked for, and pushes as a real one does."""

    name = "docker"

    def __init__(self, registry):
        self.registry, self.plans = registry, []

    def available(self):
        return None

    def start(self, name, options):
        raise EngineError("it runs no containers")

    def image(self, plan_, *, name, tags=(), options=None, **_):
        self.plans.append(plan_)
        data = b'{"schemaVersion":2}'
        for reference in map(ImageReference.parse, tags if options.push else ()):
            for selector in (reference.tag, digest_of(data)):
                self.registry.manifests[reference.repository, selector] = data, OCI_MANIFEST
        return Image(name=name, key=plan_.image_key, engine=self.name, built=True, id="sha256:1", tags=tags)


@pytest.fixture
def registry(server):  # noqa: F811
    return FakeRegistry(server)


@pytest.fixture
def docker(registry, monkeypatch):
    stand = Stand(registry)
    for table in (detect.BUILDERS, detect.ENGINES, detect.RUNNERS):
        for name in set(table) - {"oci"}:
            monkeypatch.setitem(table, name, lambda: stand)
    return stand


@pytest.fixture
def made(tmp_path):
    packages = [on_disk(tmp_path / "wheels", "adder", "1.0")]
    return plan(tmp_path, pip=packages, base=layout(tmp_path / "base", MERGED_USR))


def wish(plan_, registry, tag="team/app:1", **more):
    return Wish(plans=(plan_,), tags=(registry.reference(tag),), options=more.pop("options", PUSH), **more)


@pytest.mark.parametrize("engine", ["docker", "oci"])
def test_what_is_pushed_is_found_by_its_key_whoever_asks(registry, docker, made, engine):
    first = make_image(wish(made, registry, engine=engine))
    assert (first.built, first.engine) == (True, engine)
    assert ("team/app", key_tag(made.image_key)) in registry.manifests
    built = len(docker.plans)
    for other in ("docker", "oci", "auto"):
        again = make_image(wish(made, registry, "team/app:2", engine=other))
        assert (again.built, again.engine, again.digest) == (False, "registry", first.digest)
    assert len(docker.plans) == built
    assert registry.manifests["team/app", "2"] == registry.manifests["team/app", "1"]


@pytest.mark.parametrize(
    "more",
    [
        {"reuse": False},
        {"options": BuildOptions(push=True, no_cache=True)},
        {"options": BuildOptions(push=True, build_args=(("A", "1"),))},
        {"options": BuildOptions(push=True, target="stage")},
    ],
)
def test_it_is_built_all_the_same_where_that_is_asked(registry, docker, made, more):
    make_image(wish(made, registry, engine="docker"))
    assert make_image(wish(made, registry, engine="docker", **more)).built


def test_what_a_build_argument_chose_is_not_given_the_key(registry, docker, made):
    make_image(wish(made, registry, engine="docker", options=BuildOptions(push=True, target="stage")))
    assert ("team/app", key_tag(made.image_key)) not in registry.manifests


def test_without_a_push_no_registry_is_asked(registry, docker, made):
    make_image(wish(made, registry, engine="docker", options=BuildOptions()))
    assert not registry.server.requests


def test_a_registry_that_is_out_of_reach_stops_only_who_would_push_there(docker, made):
    nowhere = Wish(plans=(made,), tags=("127.0.0.1:1/team/app:1",), options=PUSH)
    notes = Notes()
    client = RegistryClient()
    client.http.sleep = lambda _: None
    assert make_image(nowhere, registry=client, progress=notes).built
    assert any("is not known" in text for text in notes.said)
    with pytest.raises(NetworkError):
        make_image(Wish(plans=(made,), tags=nowhere.tags, options=PUSH, engine="oci"), registry=client)


def test_words_of_the_oci_engine_choose_it(registry, docker, made):
    settings = ImageSettings(layers=1, bytecode=False)
    assert make_image(wish(made, registry, settings=settings)).engine == "oci"
    with pytest.raises(EngineError, match="settings of the oci engine"):
        make_image(wish(made, registry, "team/other:1", settings=settings, engine="docker"))
    assert not docker.plans


def test_the_definition_s_settings_count_where_a_person_says_none(registry, docker, tmp_path):
    packages = [
        on_disk(tmp_path / "wheels", name, "1.0", files={f"{name}.bin": random.Random(name).randbytes(2 << 20)})
        for name in "abc"
    ]
    base = layout(tmp_path / "base", MERGED_USR)
    made = plan(tmp_path, pip=packages, base=base, more="image = {layers = 2, bytecode = false}")
    make_image(wish(made, registry, engine="oci"))
    resolved = RegistryClient().resolve(
        ImageReference.parse(registry.reference("team/app:1")), parse_platform("linux-64")
    )
    assert len(resolved.layers) == 1 + 1 + 2
    make_image(wish(made, registry, engine="oci", reuse=False, settings=ImageSettings(layers=3)))
    resolved = RegistryClient().resolve(
        ImageReference.parse(registry.reference("team/app:1")), parse_platform("linux-64")
    )
    assert len(resolved.layers) == 1 + 1 + 3


def test_what_must_be_run_is_built_by_an_engine_that_runs_and_the_reason_is_said(registry, docker, tmp_path):
    base = layout(tmp_path / "base", MERGED_USR)
    made = plan(tmp_path, base=base, apt=LockedApt(packages=("libgomp1",)))
    notes = Notes()
    image = make_image(wish(made, registry, engine="oci", options=BuildOptions()), progress=notes)
    assert image.engine == "docker"
    assert any("docker builds it" in text and "libgomp1" in text for text in notes.said)
    with pytest.raises(MustRunError, match="libgomp1"):
        make_image(wish(made, registry, engine="oci", options=BuildOptions(output="oci:image")))


def test_what_must_be_run_is_refused_where_no_engine_answers(registry, docker, tmp_path, monkeypatch):
    monkeypatch.setattr(docker, "available", lambda: "no docker engine answers", raising=False)
    made = plan(tmp_path, base=layout(tmp_path / "base", MERGED_USR), apt=LockedApt(packages=("libgomp1",)))
    with pytest.raises(MustRunError, match="no docker engine answers") as caught:
        make_image(wish(made, registry, engine="auto"))
    assert any("FROM" in one.hint for one in caught.value.problems)


def test_an_sbom_and_the_provenance_lie_beside_what_any_engine_pushed(registry, docker, made):
    registry.referrers_api = True
    for engine in ("docker", "oci"):
        tag = f"team/{engine}:1"
        image = make_image(wish(made, registry, tag, engine=engine, settings=ImageSettings(attest=True)))
        found = referrers(RegistryClient(), ImageReference.parse(registry.reference(tag)).with_digest(image.digest))
        assert {one.artifact_type for one in found} == {
            "application/vnd.cyclonedx+json",
            "application/vnd.in-toto+json",
        }
    with pytest.raises(EngineError, match="in a registry"):
        make_image(wish(made, registry, settings=ImageSettings(attest=True), options=BuildOptions()))


@pytest.fixture
def keys(tmp_path):
    pytest.importorskip("securesystemslib")
    for name in ("ours", "theirs"):
        key = Ed25519PrivateKey.generate()
        (tmp_path / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pub").write_bytes(public)
    return tmp_path


def test_with_a_key_both_are_signed_and_verify_says_by_whom(registry, made, keys, monkeypatch, capsys):
    registry.referrers_api = True
    monkeypatch.setenv("ENVBUILD_SIGNING_KEY", str(keys / "ours"))
    make_image(wish(made, registry, "team/signed:1", engine="oci", settings=ImageSettings(attest=True)))
    image = registry.reference("team/signed:1")
    assert run(["verify", image, "--key", str(keys / "ours.pub")]) == 0
    said = capsys.readouterr().out
    assert "provenance, signed by key" in said
    assert "bill of materials, signed by key" in said
    assert run(["verify", image, "--key", str(keys / "theirs.pub")]) == 9
    # whoever may push can add theirs, which takes nothing away
    monkeypatch.setenv("ENVBUILD_SIGNING_KEY", str(keys / "theirs"))
    make_image(wish(made, registry, "team/signed:1", engine="oci", settings=ImageSettings(attest=True)))
    assert run(["verify", image, "--key", str(keys / "ours.pub")]) == 0
    make_image(wish(made, registry, "team/unsigned:1", engine="oci"))
    assert run(["verify", registry.reference("team/unsigned:1"), "--key", str(keys / "ours.pub")]) == 9
    assert "nothing is attested of" in capsys.readouterr().err


def test_several_platforms_are_one_index_from_one_lock(registry, docker, tmp_path):
    both = ("linux-64", "linux-aarch64")
    packages = [on_disk(tmp_path / "wheels", "adder", "1.0")]
    made = plan(tmp_path, pip=packages, base=two_platforms(tmp_path / "base", MERGED_USR), platforms=both)
    wanted = Wish(
        plans=made.for_platforms(both),
        tags=(registry.reference("team/both:1"),),
        options=PUSH,
        settings=ImageSettings(attest=True),
    )
    first, again = make_image(wanted), make_image(wanted)
    assert (first.built, again.built, again.digest) == (True, False, first.digest)
    client, reference = RegistryClient(), ImageReference.parse(registry.reference("team/both:1"))
    found = [client.resolve(reference, parse_platform(one)) for one in both]
    assert [one.configuration["architecture"] for one in found] == ["amd64", "arm64"]
    assert all(len(referrers(client, reference.with_digest(one.digest))) == 2 for one in found)
    with pytest.raises(EngineError, match="one platform at a time"):
        make_image(Wish(plans=wanted.plans, tags=wanted.tags, options=PUSH, engine="docker", reuse=False))


def test_each_layer_is_sent_once_and_what_failed_early_is_sent_in_the_end(registry, docker, tmp_path):
    packages = [
        on_disk(tmp_path / "wheels", name, "1.0", files={f"{name}.bin": random.Random(name).randbytes(2 << 20)})
        for name in "abc"
    ]
    made = plan(tmp_path, pip=packages, base=layout(tmp_path / "base", MERGED_USR))
    image = make_image(wish(made, registry, engine="oci"))
    sent = [one.path.partition("digest=")[2] for one in registry.asked("PUT", "/blobs/uploads/")]
    assert len(sent) == len(set(sent)) == 1 + 1 + 1 + 3  # base, configuration, what is without packages, three packages
    client = RegistryClient()
    assert (
        client.resolve(ImageReference.parse(registry.reference("team/app:1")), parse_platform("linux-64")).digest
        == image.digest
    )
    registry.faults["POST /v2/team/other/blobs/uploads/"] = [Answer(status=403)]
    again = make_image(wish(made, registry, "team/other:1", engine="oci"))
    assert again.digest == image.digest
    assert not registry.faults["POST /v2/team/other/blobs/uploads/"]


def test_a_push_needs_a_name(made):
    with pytest.raises(EngineError, match="no name to push"):
        make_image(Wish(plans=(made,), options=PUSH))

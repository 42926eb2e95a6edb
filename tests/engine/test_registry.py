"""The registry client against a real registry (Debian's docker-registry), with skopeo and umoci as judges."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import Popen  # noqa: TID251 - the type of what programs.start returns

import pytest

from envbuild import programs
from envbuild.core.errors import IntegrityError, NetworkError
from envbuild.core.platforms import PLATFORMS
from envbuild.core.reference import ImageReference
from envbuild.net.credentials import CredentialFinder
from envbuild.net.docker_credentials import RegistryCredentials
from envbuild.net.http import HttpClient, Patience
from envbuild.net.image_files import find_files
from envbuild.net.images import Descriptor
from envbuild.net.media_types import OCI_INDEX, OCI_MANIFEST
from envbuild.net.oci_layout import image_source
from envbuild.net.registry import RegistryClient, RegistrySource
from envbuild.net.registry_push import Blob, attach, push_blobs, push_manifest, referrers
from tests.support.ca import Authority
from tests.unit.net.samples import FOLDER, Image, index_of, make_image

pytestmark = pytest.mark.engine

AMD, ARM = PLATFORMS["linux-64"], PLATFORMS["linux-aarch64"]
HTPASSWD = "me:$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n"  # bcrypt of s3cret
LAYERS = [
    [("etc/", FOLDER), ("etc/os-release", "../usr/lib/os-release"), ("usr/", FOLDER), ("usr/lib/", FOLDER),
     ("usr/lib/os-release", b"ID=debian\n"), ("usr/bin/", FOLDER), ("usr/bin/python3.11", b"x")],
    [("usr/bin/python3", "python3.11"), ("usr/bin/.wh.python3.11", b""), ("usr/bin/python3.12", b"y")],
]  # fmt: skip
IMAGE = make_image(LAYERS)


@dataclass
class LocalRegistry:
    """One docker-registry process with a folder of its own; it can be stopped and started again on its port."""

    folder: Path
    port: int
    settings: dict[str, object] = field(default_factory=dict)
    process: Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def reference(self, text: str) -> ImageReference:
        return ImageReference.parse(f"{self.host}/{text}")

    def start(self) -> None:
        http = {"addr": self.host, **self.settings.get("http", {})}
        config = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}},
            **self.settings,
            "http": http,
        }
        path = self.folder / "config.yml"
        path.write_text(json.dumps(config))  # JSON is YAML
        self.process = programs.start(["docker-registry", "serve", str(path)], log=self.folder / "log")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        pytest.fail((self.folder / "log").read_text())

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRegistry]:
    if programs.find("docker-registry") is None:
        pytest.skip("docker-registry is not installed")
    found = LocalRegistry(folder=tmp_path_factory.mktemp("registry"), port=free_port())
    found.start()
    yield found
    found.stop()


@pytest.fixture
def client(tmp_path: Path) -> RegistryClient:
    return make_client(tmp_path)


def make_client(home: Path, **options: object) -> RegistryClient:
    http = HttpClient(offline=False, patience=Patience(attempts=6, first_wait=0.2), finder=None, **options)
    return RegistryClient(http=http, credentials=RegistryCredentials(finder=CredentialFinder(environ={}, home=home)))


@pytest.fixture
def skopeo():
    if programs.find("skopeo") is None:
        pytest.skip("skopeo is not installed")

    def run(*arguments: object) -> str:
        return programs.run(["skopeo", *map(str, arguments)]).stdout

    return run


def blobs_of(image: Image, origin: str = "") -> list[Blob]:
    return [
        Blob(descriptor=Descriptor.of(data, "x"), open=lambda data=data: io.BytesIO(data), origin=origin)
        for data in image.blobs.values()
    ]


def push(client: RegistryClient, reference: ImageReference, image: Image = IMAGE) -> dict[str, str]:
    how = push_blobs(client, reference, blobs_of(image))
    push_manifest(client, reference, image.manifest, OCI_MANIFEST)
    return how


def looked_at(source, platform=AMD):
    return find_files(source, source.resolve(platform), contents=["/etc/os-release"], names=["/usr/bin/python3*"])


def test_skopeo_sees_what_was_pushed(client, local, skopeo):
    reference = local.reference("seen/app:1")
    assert set(push(client, reference).values()) == {"sent"}
    told = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{reference}"))
    assert told["Digest"] == IMAGE.digest == client.digest(reference)
    assert told["Env"] == ["PATH=/usr/bin"]
    assert len(told["Layers"]) == 2


def test_every_form_of_one_image_gives_the_same_files(client, local, skopeo, tmp_path):
    reference = local.reference("forms/app:1")
    push(client, reference)
    expected = looked_at(RegistrySource(client=client, reference=reference))
    assert expected.contents == {"/etc/os-release": b"ID=debian\n"}
    assert expected.names == ("/usr/bin/python3", "/usr/bin/python3.12")
    for form in ("oci:{}/layout:1", "oci-archive:{}/oci.tar:1", "docker-archive:{}/docker.tar:app:1"):
        skopeo("copy", "--src-tls-verify=false", f"docker://{reference}", form.format(tmp_path))
        path = Path(form.format(tmp_path).split(":")[1])
        source = image_source(path)
        assert looked_at(source) == expected, form
        if not form.startswith("docker"):
            assert source.resolve(AMD).digest == IMAGE.digest
        assert source.resolve(AMD).diff_ids == RegistrySource(client=client, reference=reference).resolve(AMD).diff_ids


def test_umoci_unpacks_to_the_files_that_are_found(client, local, skopeo, tmp_path):
    if programs.find("umoci") is None:
        pytest.skip("umoci is not installed")
    reference = local.reference("unpacked/app:1")
    push(client, reference)
    skopeo("copy", "--src-tls-verify=false", f"docker://{reference}", f"oci:{tmp_path}/layout:1")
    programs.run(["umoci", "unpack", "--rootless", "--image", f"{tmp_path}/layout:1", f"{tmp_path}/bundle"])
    root = tmp_path / "bundle" / "rootfs"
    found = looked_at(image_source(tmp_path / "layout"))
    assert found.contents["/etc/os-release"] == (root / "usr/lib/os-release").read_bytes()
    assert list(found.names) == sorted(f"/usr/bin/{one.name}" for one in (root / "usr/bin").iterdir())


@pytest.mark.parametrize("made", ["oci-gzip", "oci-zstd", "v2s2-gzip"])
def test_what_skopeo_pushed_can_be_read(client, local, skopeo, tmp_path, made):
    form, compression = made.split("-")
    source, target = local.reference("theirs/source:1"), local.reference(f"theirs/{made}:1")
    push(client, source)
    skopeo("copy", "--src-tls-verify=false", f"docker://{source}", f"dir:{tmp_path}/dir", "--dest-decompress")
    skopeo(
        *("copy", "--dest-tls-verify=false", "--format", form, "--dest-compress-format", compression),
        *(f"dir:{tmp_path}/dir", f"docker://{target}"),
    )
    found = RegistrySource(client=client, reference=target)
    assert looked_at(found).contents == {"/etc/os-release": b"ID=debian\n"}
    assert looked_at(found).names == ("/usr/bin/python3", "/usr/bin/python3.12")


def test_an_image_for_two_platforms(client, local, skopeo):
    arm = make_image([[("arm", b"1")]], platform="linux/arm64")
    reference = local.reference("multi/app:1")
    for image in (IMAGE, arm):
        push_blobs(client, reference, blobs_of(image))
        push_manifest(client, replace(reference, tag=""), image.manifest, OCI_MANIFEST)
    pushed = push_manifest(client, reference, index_of({"linux/amd64": IMAGE, "linux/arm64": arm}), OCI_INDEX)
    assert client.resolve(reference, ARM).digest == arm.digest
    assert client.resolve(reference, AMD).pin == pushed.digest
    told = skopeo("inspect", "--tls-verify=false", "--override-arch=arm64", f"docker://{reference}")
    assert json.loads(told)["Architecture"] == "arm64"


def test_a_second_push_sends_nothing_and_another_repository_mounts(client, local):
    reference = local.reference("mount/base:1")
    push(client, reference)
    assert set(push(client, reference).values()) == {"present"}
    other = local.reference("mount/app:1")
    assert set(push_blobs(client, other, blobs_of(IMAGE, origin="mount/base")).values()) == {"mounted"}


def test_attestations_are_found_by_the_tag_where_the_registry_knows_no_referrers(client, local, skopeo):
    reference = local.reference("attested/app:1")
    push(client, reference)
    pinned = reference.with_digest(IMAGE.digest)
    empty = Descriptor.of(b"{}", "application/vnd.oci.empty.v1+json")
    push_blobs(client, reference, [Blob(descriptor=empty, open=lambda: io.BytesIO(b"{}"))])
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example",
        "config": empty.to_dict(),
        "layers": [empty.to_dict()],
        "subject": IMAGE.descriptor.to_dict(),
    }
    added = attach(client, pinned, json.dumps(manifest).encode(), OCI_MANIFEST)
    assert [one.digest for one in referrers(client, pinned, "application/vnd.example")] == [added.digest]
    raw = skopeo(
        "inspect", "--raw", "--tls-verify=false", f"docker://{local.host}/attested/app:sha256-{IMAGE.digest[7:]}"
    )
    assert json.loads(raw)["manifests"][0]["digest"] == added.digest


def test_a_registry_that_restarts_under_a_download_is_not_noticed(client, local):
    big = make_image([[("big", os.urandom(24 << 20))]], how="")
    reference = local.reference("restart/app:1")
    push(client, reference, big)
    (layer,) = client.resolve(reference, AMD).layers
    with client.blob(reference, layer) as blob:
        start = blob.read(1 << 20)
        local.stop()
        local.start()
        assert start + blob.read() == big.blobs[layer.digest]


def test_a_registry_that_is_gone_says_so(local, tmp_path):
    impatient = make_client(tmp_path)
    impatient.http.patience = Patience(attempts=2, first_wait=0.05)
    gone = ImageReference.parse(f"127.0.0.1:{free_port()}/app:1")
    with pytest.raises(NetworkError, match="the connection was refused"):
        push(impatient, gone)


def test_a_manifest_with_missing_blobs_is_refused_in_the_registrys_words(client, local):
    lonely = make_image([[("never pushed", b"x")]])
    with pytest.raises(NetworkError, match=r"400 .*BLOB_UNKNOWN"):
        push_manifest(client, local.reference("lonely/app:1"), lonely.manifest, OCI_MANIFEST)


def test_a_layer_that_rots_on_the_registrys_disk_is_found_out(client, local):
    rotten = make_image([[("data", os.urandom(100_000))]])
    reference = local.reference("rotten/app:1")
    push(client, reference, rotten)
    (layer,) = client.resolve(reference, AMD).layers
    digits = layer.digest[7:]
    stored = local.folder / f"data/docker/registry/v2/blobs/sha256/{digits[:2]}/{digits}/data"
    data = bytearray(stored.read_bytes())
    data[50_000] ^= 1
    stored.write_bytes(data)
    with pytest.raises(IntegrityError, match="another digest"), client.blob(reference, layer) as blob:
        blob.read()


MEMORY = """
import hashlib, resource, sys
from envbuild.core.reference import ImageReference
from envbuild.net.images import Descriptor
from envbuild.net.registry import RegistryClient
from envbuild.net.registry_push import Blob, push_blobs
path, digest, size, name = sys.argv[1:]
client, reference = RegistryClient(), ImageReference.parse(name)
client.exists(reference)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
described = Descriptor(media_type="x", digest=digest, size=int(size))
push_blobs(client, reference, [Blob(descriptor=described, open=lambda: open(path, "rb"))])
with client.blob(reference, described) as blob:
    while blob.read(1 << 20):
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_large_layer_goes_up_and_down_in_little_memory(local, tmp_path):
    path = tmp_path / "layer"
    size = 128 << 20
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    import hashlib

    digest = f"sha256:{hashlib.sha256(bytes(size)).hexdigest()}"
    argv = [sys.executable, "-c", MEMORY, str(path), digest, str(size), str(local.reference("large/app:1"))]
    kibibytes = int(programs.run(argv, env={**os.environ, "HOME": str(tmp_path), "ENVBUILD_OFFLINE": ""}).stdout)
    assert kibibytes < 32 << 10


class _NoSite:
    """Takes the place of a server of ours: only the files of the certificate are wanted."""

    def use_tls(self, context: ssl.SSLContext) -> None:
        pass


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[LocalRegistry]:
    """A registry with TLS from a private authority and a login."""
    if programs.find("docker-registry") is None:
        pytest.skip("docker-registry is not installed")
    folder = tmp_path_factory.mktemp("private")
    authority.secure(_NoSite())
    certificate, key = (shutil.copy(authority.certificate.with_name(f"server.{end}"), folder) for end in ("pem", "key"))
    (folder / "htpasswd").write_text(HTPASSWD)
    found = LocalRegistry(folder=folder, port=free_port())
    found.settings = {
        "http": {"tls": {"certificate": str(certificate), "key": str(key)}},
        "auth": {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}},
    }
    found.start()
    yield found
    found.stop()


def login(home: Path, host: str, password: str = "s3cret") -> None:
    import base64

    (home / ".docker").mkdir(exist_ok=True)
    auth = base64.b64encode(f"me:{password}".encode()).decode()
    (home / ".docker" / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def test_a_private_authority_and_a_login_of_docker(private, authority, skopeo, tmp_path, monkeypatch):
    login(tmp_path, private.host)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
    reference = private.reference("secret/app:1")
    client = make_client(tmp_path)
    push(client, reference)
    assert client.resolve(reference, AMD).digest == IMAGE.digest
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "ca.crt").write_bytes(authority.certificate.read_bytes())
    told = skopeo("inspect", f"--cert-dir={trust}", "--creds=me:s3cret", f"docker://{reference}")
    assert json.loads(told)["Digest"] == IMAGE.digest


def test_a_certificate_that_is_not_trusted_is_said(private, tmp_path, monkeypatch):
    monkeypatch.setenv(
        "REQUESTS_CA_BUNDLE", ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    )
    with pytest.raises(NetworkError, match="certificate is not trusted") as caught:
        make_client(tmp_path).exists(private.reference("secret/app:1"))
    assert "REQUESTS_CA_BUNDLE" in str(caught.value)


def test_a_wrong_or_missing_login_is_said(private, authority, tmp_path):
    reference = private.reference("secret/app:1")
    with pytest.raises(NetworkError, match="401") as caught:
        make_client(tmp_path, ca=authority.certificate).exists(reference)
    assert f"docker login {private.host}" in str(caught.value)
    login(tmp_path, private.host, "hunter2")
    with pytest.raises(NetworkError, match="401") as caught:
        make_client(tmp_path, ca=authority.certificate).exists(reference)
    assert "the credential that was found is not enough" in str(caught.value)
    assert "hunter2" not in str(caught.value)

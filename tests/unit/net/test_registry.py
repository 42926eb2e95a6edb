import socket

import pytest

from envbuild.core.errors import DefinitionError, IntegrityError, NetworkError
from envbuild.core.platforms import PLATFORMS
from envbuild.core.reference import ImageReference
from envbuild.net.credentials import CredentialFinder
from envbuild.net.docker_credentials import RegistryCredentials
from envbuild.net.downloads import DownloadCache
from envbuild.net.http import HttpClient
from envbuild.net.image_files import read_file
from envbuild.net.images import digest_of
from envbuild.net.media_types import OCI_MANIFEST
from envbuild.net.registry import RegistryClient, RegistrySource

from .loopback import Answer
from .samples import FakeRegistry, make_image

AMD, ARM = PLATFORMS["linux-64"], PLATFORMS["linux-aarch64"]
IMAGE = make_image([[("etc/os-release", b"ID=debian\n")], [("big", bytes(range(256)) * 2000)]], how="")


@pytest.fixture
def fake(server):
    registry = FakeRegistry(server)
    registry.hold("team/base", "1", IMAGE)
    return registry


@pytest.fixture
def reference(fake):
    return ImageReference.parse(fake.reference("team/base:1"))


def make_client(http, tmp_path, **environ):
    finder = CredentialFinder(environ=environ, home=tmp_path / "home")
    return RegistryClient(http=http, credentials=RegistryCredentials(finder=finder))


@pytest.fixture
def registry(client, tmp_path):
    return make_client(client, tmp_path)


def test_a_tag_is_resolved_to_a_digest(registry, reference):
    found = registry.resolve(reference, AMD)
    assert found.digest == found.pin == IMAGE.digest
    assert found.media_type == OCI_MANIFEST
    assert found.config == IMAGE.config
    assert found.name == str(reference)


def test_an_index_is_followed_by_platform(registry, fake):
    arm = make_image([], platform="linux/arm64")
    index = fake.hold_index("team/multi", "1", {"linux/amd64": IMAGE, "linux/arm64/v8": arm}, docker=True)
    found = registry.resolve(ImageReference.parse(fake.reference("team/multi:1")), ARM)
    assert (found.digest, found.pin) == (arm.digest, digest_of(index))
    pinned = ImageReference.parse(fake.reference("team/multi")).with_digest(found.pin)
    assert registry.resolve(pinned, AMD).digest == IMAGE.digest
    with pytest.raises(DefinitionError, match=r"not for linux/s390x: it is for linux/amd64, linux/arm64/v8"):
        registry.resolve(pinned, PLATFORMS["linux-s390x"])


def test_an_image_that_is_not_there_is_named(registry, reference):
    with pytest.raises(NetworkError, match=r"image 127.0.0.1:\d+/team/base:2 is not in the registry"):
        registry.resolve(reference.with_tag("2"), AMD)
    assert registry.digest(reference.with_tag("2")) is None
    assert not registry.exists(reference.with_tag("2"))


def test_existence_costs_one_request_without_a_body(registry, fake, reference):
    assert registry.exists(reference)
    assert registry.digest(reference) == IMAGE.digest
    assert [one.method for one in fake.server.requests if one.path != "/v2/"] == ["HEAD", "HEAD"]
    assert registry.has_blob(reference, next(iter(IMAGE.blobs)))
    assert not registry.has_blob(reference, digest_of(b"x"))


def test_a_registry_that_does_not_say_the_digest_is_asked_for_the_manifest(registry, fake, reference):
    fake.faults["HEAD /v2/team/base/manifests/1"] = [Answer()]
    assert registry.digest(reference) == IMAGE.digest


def test_other_content_than_the_digest_promises_is_an_error(registry, fake, reference):
    fake.manifests["team/base", IMAGE.digest] = b'{"schemaVersion": 2}', OCI_MANIFEST
    with pytest.raises(IntegrityError, match="promised was"):
        registry.resolve(reference.with_digest(IMAGE.digest), AMD)
    fake.hold("team/base", "1", IMAGE)
    fake.blobs["team/base", digest_of(IMAGE.config)] = bytes(reversed(IMAGE.config))
    with pytest.raises(IntegrityError, match="another digest"):
        registry.resolve(reference, AMD)


def test_a_header_that_contradicts_the_content_is_an_error(registry, fake, reference):
    answer = Answer(body=IMAGE.manifest, headers={"Docker-Content-Digest": digest_of(b"other")})
    fake.faults["GET /v2/team/base/manifests/1"] = [answer]
    with pytest.raises(IntegrityError):
        registry.resolve(reference, AMD)


def test_429_and_503_are_waited_out(registry, fake, reference, waits):
    busy = [Answer(status=429, headers={"Retry-After": "3"}), Answer(status=503)]
    fake.faults["GET /v2/team/base/manifests/1"] = busy
    assert registry.resolve(reference, AMD).digest == IMAGE.digest
    assert waits.seconds[0] == 3.0
    assert len(waits.seconds) == 2


def test_the_registrys_own_words_are_in_the_message(registry, fake, reference):
    body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate\\nlimit"}]}'
    fake.faults["GET /v2/team/base/manifests/1"] = [Answer(status=403, body=body)]
    with pytest.raises(NetworkError, match=r"403 .*\(TOOMANYREQUESTS: pull rate limit\)"):
        registry.resolve(reference, AMD)


def test_a_blob_that_breaks_off_is_gone_on_with(registry, fake, reference):
    found = registry.resolve(reference, AMD)
    layer = found.layers[1]
    path = f"/v2/team/base/blobs/{layer.digest}"
    data = IMAGE.blobs[layer.digest]
    fake.faults[f"GET {path}"] = [Answer(body=data, cut=100_000), Answer(status=503)]
    with registry.blob(reference, layer) as blob:
        assert blob.read() == data
    ranges = [one.headers.get("range") for one in fake.asked("GET", layer.digest)]
    assert ranges[0] is None
    assert ranges[-1].startswith("bytes=")


def test_a_registry_without_ranges_sends_the_blob_again(registry, fake, reference):
    layer = registry.resolve(reference, AMD).layers[1]
    data = IMAGE.blobs[layer.digest]
    fake.faults[f"GET /v2/team/base/blobs/{layer.digest}"] = [Answer(body=data, cut=100_000), Answer(body=data)]
    with registry.blob(reference, layer) as blob:
        assert blob.read() == data


def test_a_blob_with_other_bytes_is_an_error(registry, fake, reference):
    layer = registry.resolve(reference, AMD).layers[1]
    data = IMAGE.blobs[layer.digest]
    for wrong in (data[:-1] + b"x", data + b"x", data[:-1]):
        fake.blobs["team/base", layer.digest] = wrong
        with pytest.raises(IntegrityError), registry.blob(reference, layer) as blob:
            blob.read()


def test_a_blob_that_keeps_breaking_is_given_up(registry, fake, reference):
    layer = registry.resolve(reference, AMD).layers[1]
    broken = Answer(body=IMAGE.blobs[layer.digest], cut=10)
    fake.faults[f"GET /v2/team/base/blobs/{layer.digest}"] = [broken] * 99
    with (
        pytest.raises(NetworkError, match=r"the connection broke \(3 attempts\)"),
        registry.blob(reference, layer) as blob,
    ):
        blob.read()
    assert len(fake.asked("GET", layer.digest)) == 3


def test_a_redirect_to_another_host_gets_no_credential(client, fake, reference, tmp_path):
    fake.login = "basic"
    registry = login(client, tmp_path)
    layer = registry.resolve(reference, AMD).layers[0]
    elsewhere = f"http://localhost:{fake.server.port}/elsewhere"
    fake.faults[f"GET /v2/team/base/blobs/{layer.digest}"] = [Answer(status=307, headers={"Location": elsewhere})]
    fake.server.on("/elsewhere", Answer(body=IMAGE.blobs[layer.digest]))
    with registry.blob(reference, layer) as blob:
        assert blob.read() == IMAGE.blobs[layer.digest]
    assert "authorization" not in fake.server.asked("/elsewhere")[0].headers


def test_a_blob_is_kept_in_the_cache(registry, fake, reference, tmp_path):
    layer = registry.resolve(reference, AMD).layers[1]
    cache = DownloadCache(root=tmp_path / "cache")
    came = []
    first = registry.cached_blob(reference, layer, cache=cache, advance=came.append)
    assert first.read_bytes() == IMAGE.blobs[layer.digest]
    assert sum(came) == layer.size
    assert registry.cached_blob(reference, layer, cache=cache) == first
    assert len(fake.asked("GET", layer.digest)) == 1


def test_a_file_of_a_remote_image_is_read_without_the_other_layers(registry, fake, reference):
    image = make_image([[("big", bytes(100_000))], [("etc/os-release", b"ID=ubuntu\n")]])
    fake.hold("team/two", "1", image)
    source = RegistrySource(client=registry, reference=ImageReference.parse(fake.reference("team/two:1")))
    found = source.resolve(AMD)
    assert read_file(source, found, "/etc/os-release") == b"ID=ubuntu\n"
    assert fake.asked("GET", found.layers[0].digest) == []


def test_all_pages_of_tags_are_read(registry, fake, reference):
    for tag in ("2", "3", "4", "5"):
        fake.hold("team/base", tag, IMAGE)
    assert registry.tags(reference) == ("1", "2", "3", "4", "5")
    assert len(fake.asked("GET", "/tags/list")) == 3


def test_tags_of_an_unknown_repository_are_an_error(registry, fake):
    with pytest.raises(NetworkError, match="is not in the registry"):
        registry.tags(ImageReference.parse(fake.reference("team/none")))


def login(http, tmp_path, password="s3cret"):
    return make_client(http, tmp_path, ENVBUILD_AUTH_127_0_0_1_USERNAME="me", ENVBUILD_AUTH_127_0_0_1_PASSWORD=password)


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_login_with_name_and_password(client, fake, reference, tmp_path, kind):
    fake.login = kind
    assert login(client, tmp_path).resolve(reference, AMD).digest == IMAGE.digest


def test_a_token_is_asked_for_once_and_used_again(client, fake, reference, tmp_path):
    fake.login = "bearer"
    registry = login(client, tmp_path)
    registry.resolve(reference, AMD)
    registry.tags(reference)
    asked = fake.asked("GET", "/token")
    assert len(asked) == 1
    assert "service=fake" in asked[0].path
    assert "scope=repository%3Ateam%2Fbase%3Apull" in asked[0].path


def test_a_stranger_gets_a_token_too_where_the_registry_is_open(registry, fake, reference):
    fake.login = "bearer"
    assert registry.resolve(reference, AMD).digest == IMAGE.digest
    assert all("authorization" not in one.headers for one in fake.asked("GET", "/token"))


def test_a_token_that_has_run_out_is_renewed(client, fake, reference, tmp_path):
    fake.login = "bearer"
    registry = login(client, tmp_path)
    registry.resolve(reference, AMD)
    fake.tokens.clear()
    assert registry.exists(reference)


def test_an_identity_token_is_changed_for_an_access_token(client, fake, reference, tmp_path):
    docker = tmp_path / "home" / ".docker"
    docker.mkdir(parents=True)
    (docker / "config.json").write_text(f'{{"auths": {{"{fake.host}": {{"identitytoken": "refresh-1"}}}}}}')
    fake.login = "bearer"
    fake.identity_tokens.add("refresh-1")
    assert make_client(client, tmp_path).resolve(reference, AMD).digest == IMAGE.digest
    (asked,) = fake.asked("POST", "/token")
    assert b"grant_type=refresh_token" in asked.body
    assert b"service=fake" in asked.body


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_a_wrong_password_is_an_error_with_a_way_out_and_without_the_password(client, fake, reference, tmp_path, kind):
    fake.login = kind
    with pytest.raises(NetworkError, match="401") as caught:
        login(client, tmp_path, password="hunter2").resolve(reference, AMD)
    assert "docker login" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_login_page_without_tls_gets_no_credential(client, fake, reference, tmp_path):
    challenge = {"WWW-Authenticate": 'Bearer realm="http://auth.example/token",service="x"'}
    fake.faults["GET /v2/"] = [Answer(status=401, headers=challenge)]
    with pytest.raises(NetworkError, match="which is not https"):
        login(client, tmp_path).resolve(reference, AMD)


def test_an_unknown_kind_of_login_is_named(client, fake, reference, tmp_path):
    fake.faults["GET /v2/"] = [Answer(status=401, headers={"WWW-Authenticate": "Negotiate"})]
    with pytest.raises(NetworkError, match="unknown kind of login: 'negotiate'"):
        login(client, tmp_path).resolve(reference, AMD)


def test_a_registry_that_is_not_there_says_so(registry):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = ImageReference.parse(f"127.0.0.1:{free.getsockname()[1]}/base:1")
    with pytest.raises(NetworkError, match=r"GET http://127.0.0.1:\d+/v2/: the connection was refused"):
        registry.resolve(gone, AMD)


def test_a_lost_network_says_so(registry, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(
        NetworkError, match=r"GET https://registry.example/v2/: the host name cannot be resolved"
    ) as caught:
        registry.resolve(ImageReference.parse("registry.example/base:1"), AMD)
    assert "--offline" in str(caught.value)


def test_offline_asks_nothing(tmp_path):
    registry = make_client(HttpClient(offline=True), tmp_path)
    with pytest.raises(NetworkError, match="the network is off"):
        registry.resolve(ImageReference.parse("ubuntu:24.04"), AMD)


def test_docker_hub_is_spoken_to_at_its_own_host(tmp_path):
    registry = make_client(HttpClient(offline=True), tmp_path)
    with pytest.raises(NetworkError, match=r"https://registry-1\.docker\.io/v2/"):
        registry.exists(ImageReference.parse("ubuntu:24.04"))


def test_a_page_that_is_no_registry_is_an_error(registry, fake, reference):
    fake.faults["GET /v2/team/base/manifests/1"] = [Answer(body=b"<html>login</html>")]
    with pytest.raises(IntegrityError, match="not JSON"):
        registry.resolve(reference, AMD)


def test_a_manifest_without_end_is_refused(registry, fake, reference):
    fake.manifests["team/base", "1"] = b" " * (5 << 20), OCI_MANIFEST
    with pytest.raises(NetworkError, match="larger than"):
        registry.resolve(reference, AMD)

import io
import json
from dataclasses import replace

import pytest

from envbuild.core.errors import IntegrityError, NetworkError
from envbuild.core.platforms import PLATFORMS
from envbuild.core.progress import Progress
from envbuild.core.reference import ImageReference
from envbuild.net.images import Descriptor, digest_of
from envbuild.net.media_types import OCI_INDEX, OCI_MANIFEST
from envbuild.net.registry_push import Blob, attach, push_blob, push_blobs, push_manifest, referrers

from .loopback import Answer
from .samples import FakeRegistry, make_image
from .test_registry import login, make_client

IMAGE = make_image([[("a", b"1")], [("big", bytes(500_000))]], how="")


@pytest.fixture
def fake(server):
    return FakeRegistry(server)


@pytest.fixture
def reference(fake):
    return ImageReference.parse(fake.reference("team/app:1"))


@pytest.fixture
def registry(client, tmp_path):
    return make_client(client, tmp_path)


def blobs_of(image):
    return [
        Blob(
            descriptor=Descriptor(media_type="x", digest=digest, size=len(data)),
            open=lambda data=data: io.BytesIO(data),
        )
        for digest, data in image.blobs.items()
    ]


class Recorder(Progress):
    def __init__(self):
        self.amounts = []

    def advanced(self, step, amount, detail):
        self.amounts.append(amount)
        self.total = step.total


def test_an_image_is_pushed_and_can_be_resolved(registry, fake, reference):
    recorder = Recorder()
    how = push_blobs(registry, reference, blobs_of(IMAGE), progress=recorder)
    assert how == dict.fromkeys(IMAGE.blobs, "sent")
    assert sum(recorder.amounts) == recorder.total == sum(map(len, IMAGE.blobs.values()))
    pushed = push_manifest(registry, reference, IMAGE.manifest, OCI_MANIFEST)
    assert pushed.digest == IMAGE.digest
    assert registry.resolve(reference, PLATFORMS["linux-64"]).digest == IMAGE.digest


def test_each_blob_is_one_put_with_its_length_and_never_a_patch(registry, fake, reference):
    push_blobs(registry, reference, blobs_of(IMAGE))
    puts = fake.asked("PUT", "/blobs/uploads/")
    assert len(puts) == len(IMAGE.blobs)
    assert fake.asked("PATCH", "") == []
    for put in puts:
        assert int(put.headers["content-length"]) == len(put.body)
        assert "transfer-encoding" not in put.headers
        assert "state=x%2Fy&digest=sha256%3A" in put.path


def test_what_is_there_is_not_sent(registry, fake, reference):
    push_blobs(registry, reference, blobs_of(IMAGE))
    sent = len(fake.asked("POST", ""))
    recorder = Recorder()
    assert set(push_blobs(registry, reference, blobs_of(IMAGE), progress=recorder).values()) == {"present"}
    assert len(fake.asked("POST", "")) == sent
    assert sum(recorder.amounts) == recorder.total


def test_a_blob_of_another_repository_is_mounted(registry, fake, reference):
    fake.hold("team/base", "1", IMAGE)
    how = push_blobs(registry, reference, [replace(blob, origin="team/base") for blob in blobs_of(IMAGE)])
    assert set(how.values()) == {"mounted"}
    assert fake.asked("PUT", "/blobs/") == []


def test_a_registry_that_does_not_mount_gets_the_bytes(registry, fake, reference):
    fake.hold("team/base", "1", IMAGE)
    fake.mounting = False
    how = push_blobs(registry, reference, [replace(blob, origin="team/base") for blob in blobs_of(IMAGE)])
    assert set(how.values()) == {"sent"}
    assert len(fake.asked("POST", "")) == len(IMAGE.blobs)


def test_an_upload_that_fails_begins_anew_with_a_new_body(registry, fake, reference, waits):
    blob = blobs_of(IMAGE)[-1]
    opened = []

    def open_it():
        opened.append(blob.open())
        return opened[-1]

    fake.faults["PUT /v2/team/app/blobs/uploads/7"] = [Answer(status=503), Answer(status=0)]
    amounts = []
    assert push_blob(registry, reference, replace(blob, open=open_it), advance=amounts.append) == "sent"
    assert fake.blobs["team/app", blob.descriptor.digest] == IMAGE.blobs[blob.descriptor.digest]
    assert len(opened) == 3
    assert all(one.closed for one in opened)
    assert sum(amounts) == blob.descriptor.size
    assert min(amounts) > 0
    assert len(fake.asked("POST", "")) == 3


def test_the_host_that_the_registry_names_gets_the_blob_and_no_credential(client, fake, reference, tmp_path):
    fake.login = "basic"
    fake.upload_host = f"http://localhost:{fake.server.port}"
    upload = "/v2/team/app/blobs/uploads/7"
    taken = []

    def take(request):
        taken.append(request)
        return Answer(status=201)

    fake.server.on(upload, take)
    blob = blobs_of(IMAGE)[0]
    assert push_blob(login(client, tmp_path), reference, blob) == "sent"
    assert taken[0].headers["host"].startswith("localhost:")
    assert "authorization" not in taken[0].headers


def test_a_blob_that_is_not_what_it_says_is_refused_by_the_registry(registry, reference):
    blob = replace(blobs_of(IMAGE)[0], open=lambda: io.BytesIO(b"x" * blobs_of(IMAGE)[0].descriptor.size))
    with pytest.raises(NetworkError, match=r"400 .*DIGEST_INVALID: no match"):
        push_blob(registry, reference, blob)


def test_the_first_failure_stops_the_other_blobs(registry, fake, reference):
    many = [make_image([[("a", bytes([number]) * 100_000)]], how="") for number in range(20)]
    blobs = [blob for image in many for blob in blobs_of(image)]
    fake.server.routes["/v2/team/app/blobs/uploads/7"] = lambda request: Answer(status=403)
    with pytest.raises(NetworkError, match="403"):
        push_blobs(registry, reference, blobs)
    assert len(fake.asked("PUT", "")) < len(blobs)


def test_an_empty_blob_can_be_pushed(registry, fake, reference):
    empty = Blob(descriptor=Descriptor.of(b"", "x"), open=lambda: io.BytesIO(b""))
    assert push_blob(registry, reference, empty) == "sent"
    assert fake.asked("PUT", "")[0].headers["content-length"] == "0"


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_pushing_with_a_login(client, fake, reference, tmp_path, kind):
    fake.login = kind
    fake.hold("team/base", "1", IMAGE)
    registry = login(client, tmp_path)
    assert set(push_blobs(registry, reference, blobs_of(IMAGE)).values()) == {"sent"}
    other = ImageReference.parse(fake.reference("team/other:1"))
    blobs = [replace(blob, origin="team/base") for blob in blobs_of(IMAGE)]
    assert set(push_blobs(registry, other, blobs).values()) == {"mounted"}
    push_manifest(registry, reference, IMAGE.manifest, OCI_MANIFEST)
    if kind == "bearer":
        paths = [one.path for one in fake.asked("GET", "/token")]
        assert any("team%2Fother%3Apull%2Cpush" in path and "team%2Fbase%3Apull" in path for path in paths)


def test_a_stranger_may_not_push(registry, fake, reference):
    fake.login = "bearer"
    with pytest.raises(NetworkError, match="401") as caught:
        push_blobs(registry, reference, blobs_of(IMAGE))
    assert "no credential was found" in str(caught.value)


def test_without_a_tag_a_manifest_is_known_by_its_digest(registry, fake, reference):
    bare = replace(reference, tag="")
    push_manifest(registry, bare, IMAGE.manifest, OCI_MANIFEST)
    assert set(fake.manifests) == {("team/app", IMAGE.digest)}


def test_a_registry_that_keeps_something_else_is_found_out(registry, fake, reference):
    answer = Answer(status=201, headers={"Docker-Content-Digest": digest_of(b"other")})
    fake.faults["PUT /v2/team/app/manifests/1"] = [answer]
    with pytest.raises(IntegrityError, match="the registry keeps the manifest as"):
        push_manifest(registry, reference, IMAGE.manifest, OCI_MANIFEST)


def attachment(kind, subject):
    config = Descriptor.of(b"{}", "application/vnd.oci.empty.v1+json")
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": config.to_dict(),
        "layers": [config.to_dict()],
        "subject": subject.to_dict(),
        "annotations": {"org.example.key": "value"},
    }
    return json.dumps(document).encode()


@pytest.mark.parametrize("api", [True, False])
def test_what_refers_to_an_image_is_found(registry, fake, reference, api):
    fake.referrers_api = api
    fake.hold("team/app", "1", IMAGE)
    pinned = reference.with_digest(IMAGE.digest)
    assert referrers(registry, pinned) == ()
    for kind in ("application/a", "application/b", "application/a"):
        attach(registry, pinned, attachment(kind, IMAGE.descriptor), OCI_MANIFEST)
    assert sorted(one.artifact_type for one in referrers(registry, pinned)) == ["application/a", "application/b"]
    (found,) = referrers(registry, pinned, "application/b")
    assert registry.manifest(pinned.with_digest(found.digest))[1] == attachment("application/b", IMAGE.descriptor)
    fallback = f"sha256-{IMAGE.digest[7:]}"
    assert (("team/app", fallback) in fake.manifests) is not api


def test_an_attachment_of_another_image_is_refused(registry, reference):
    with pytest.raises(IntegrityError, match="another subject"):
        attach(registry, reference.with_digest(IMAGE.digest), attachment("a", Descriptor.of(b"x", "y")), OCI_MANIFEST)


def test_pages_of_referrers_that_never_end_are_read_for_a_while_only(registry, fake, reference, monkeypatch):
    monkeypatch.setattr("envbuild.net.registry_push.MOST_PAGES", 3)
    path = f"/v2/team/app/referrers/sha256:{'0' * 64}"
    endless = Answer(
        200, b'{"schemaVersion":2,"manifests":[]}', {"Content-Type": OCI_INDEX, "Link": f'<{path}>; rel="next"'}
    )
    fake.faults[f"GET {path}"] = [endless] * 50
    assert referrers(registry, reference.with_digest("sha256:" + "0" * 64)) == ()
    assert len(fake.faults[f"GET {path}"]) == 47

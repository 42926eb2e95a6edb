import json

import pytest

from envbuild.core.errors import DefinitionError, IntegrityError
from envbuild.core.platforms import PLATFORMS
from envbuild.net.images import Descriptor, digest_of, resolve_image
from envbuild.net.media_types import OCI_INDEX, OCI_MANIFEST

from .samples import index_of, make_image

AMD, ARM = PLATFORMS["linux-64"], PLATFORMS["linux-aarch64"]


def resolved(image, platform=AMD, root=None, name="sample", **more):
    known = {**image.blobs, image.digest: image.manifest, **more}
    data = root or image.manifest
    known[digest_of(data)] = data
    return resolve_image(name, Descriptor.of(data, ""), lambda one: known[one.digest], platform)


def test_a_manifest_is_the_image():
    image = make_image([[("a", b"1")], [("b", b"2")]])
    found = resolved(image)
    assert found.digest == found.pin == image.digest
    assert found.index_digest == ""
    assert found.media_type == OCI_MANIFEST
    assert found.diff_ids == tuple(digest_of(data) for data in image.diffs)
    assert found.size == sum(len(data) for data in image.blobs.values())
    assert found.configuration["config"] == {"Env": ["PATH=/usr/bin"]}


@pytest.mark.parametrize("docker", [False, True])
def test_an_index_leads_to_the_manifest_of_the_platform(docker):
    amd, arm = make_image([[("a", b"1")]]), make_image([[("a", b"2")]], platform="linux/arm64")
    index = index_of({"linux/amd64": amd, "linux/arm64/v8": arm, "unknown/unknown": amd}, docker=docker)
    found = resolved(arm, ARM, index)
    assert found.digest == arm.digest
    assert found.pin == found.index_digest == digest_of(index)


def test_of_several_variants_the_usual_one_is_taken():
    plain, old = (
        make_image([[("a", b"1")]], platform="linux/arm64"),
        make_image([[("a", b"2")]], platform="linux/arm64"),
    )
    index = index_of({"linux/arm64/v9": old, "linux/arm64/v8": plain})
    assert resolved(plain, ARM, index).digest == plain.digest


def test_a_platform_that_is_not_there_is_an_error_that_names_what_is():
    amd = make_image([])
    index = index_of({"linux/amd64": amd, "linux/s390x": amd, "unknown/unknown": amd})
    with pytest.raises(
        DefinitionError, match=r"image sample is not for linux/arm64: it is for linux/amd64, linux/s390x\n"
    ) as caught:
        resolved(amd, ARM, index)
    assert "linux/arm64" in str(caught.value)


def test_a_manifest_of_another_platform_is_refused():
    with pytest.raises(DefinitionError, match="is not for linux/arm64: it is for linux/amd64"):
        resolved(make_image([]), ARM)


def test_an_index_in_an_index_is_followed():
    image = make_image([])
    inner = index_of({"linux/amd64": image})
    entry = {**Descriptor.of(inner, OCI_INDEX).to_dict(), "platform": {"os": "linux", "architecture": "amd64"}}
    outer = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    found = resolved(image, AMD, outer, **{digest_of(inner): inner})
    assert found.digest == image.digest
    assert found.index_digest == digest_of(outer)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<html>", "not JSON"),
        (b"[]", "a JSON object is expected"),
        (b"[" * 100_000, "not JSON"),
        (b'{"schemaVersion": 2, "manifests": [], "layers": []}', "an index and a manifest at once"),
        (b'{"schemaVersion": 2, "config": {"digest": "sha256:x", "size": 1}}', "a digest and a size are expected"),
        (b'{"schemaVersion": 2, "manifests": [{"digest": "../../etc/passwd", "size": 1}]}', "a digest and a size"),
    ],
)
def test_what_is_no_image_is_an_error(data, message):
    with pytest.raises(IntegrityError, match=message):
        resolved(make_image([]), AMD, data)


def test_the_old_schema_is_refused_in_words():
    with pytest.raises(DefinitionError, match=r"old or unknown kind \(schema 1\)"):
        resolved(make_image([]), AMD, b'{"schemaVersion": 1, "fsLayers": []}')


def test_a_descriptor_survives_its_dictionary():
    full = Descriptor(
        media_type=OCI_MANIFEST,
        digest=digest_of(b""),
        size=0,
        platform="linux/arm64/v8",
        artifact_type="application/x",
        annotations=(("a", "b"),),
    )
    assert Descriptor.from_dict(full.to_dict(), "here") == full

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.core.errors import DefinitionError
from envbuild.core.reference import ImageReference, is_digest

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("ubuntu", "docker.io", "library/ubuntu", "", ""),
        ("ubuntu:24.04", "docker.io", "library/ubuntu", "24.04", ""),
        ("docker.io/ubuntu", "docker.io", "library/ubuntu", "", ""),
        ("index.docker.io/library/ubuntu", "docker.io", "library/ubuntu", "", ""),
        ("team/base:1", "docker.io", "team/base", "1", ""),
        ("localhost/base", "localhost", "base", "", ""),
        ("localhost:5000/base:x", "localhost:5000", "base", "x", ""),
        ("registry.example/a/b/c", "registry.example", "a/b/c", "", ""),
        ("Host/a", "Host", "a", "", ""),
        ("[::1]:5000/a", "[::1]:5000", "a", "", ""),
        (f"registry.example:5000/a@{DIGEST}", "registry.example:5000", "a", "", DIGEST),
        (f"a__b/c---d:1@{DIGEST}", "docker.io", "a__b/c---d", "1", DIGEST),
    ],
)
def test_parts_are_spelled_out(text, registry, repository, tag, digest):
    found = ImageReference.parse(text)
    assert (found.registry, found.repository, found.tag, found.digest) == (registry, repository, tag, digest)


@pytest.mark.parametrize(
    "text", ["ubuntu", "ubuntu:24.04", "team/base:1", "localhost:5000/a:b", f"a@{DIGEST}", f"a:1@{DIGEST}"]
)
def test_the_familiar_form_comes_back(text):
    assert str(ImageReference.parse(text)) == text


def test_the_long_form_of_docker_hub_becomes_the_familiar_one():
    assert str(ImageReference.parse("docker.io/library/ubuntu:24.04")) == "ubuntu:24.04"
    assert str(ImageReference.parse("docker.io/library/a/b")) == "library/a/b"


def test_library_with_two_parts_reads_back_as_itself():
    reference = ImageReference.parse("docker.io/library/a/b")
    assert ImageReference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ubuntu",
        "ubuntu\n",
        "Ubuntu",
        "ubuntu:",
        "ubuntu@",
        "ubuntu:24 04",
        "ubuntu:.x",
        "ubuntu:" + "t" * 129,
        "a//b",
        "a/../b",
        "-a",
        "a-",
        "a___b",
        "registry.example/",
        "registry.example:port/a",
        "exa mple.x/a",
        "https://registry.example/a",
        "ubuntu@sha256:abc",
        "ubuntu@sha256:" + "AB" * 32,
        "ubuntu@md5:" + "ab" * 16,
        f"ubuntu@{DIGEST}@{DIGEST}",
        "ab" * 32,
        "a" * 300,
        "ubuntu:1\nRUN evil",
        "ubuntu:1\u0661\u0662",
    ],
)
def test_what_is_not_in_the_grammar_is_refused_by_name(text):
    with pytest.raises(DefinitionError) as caught:
        ImageReference.parse(text)
    problem = caught.value.problems[0]
    assert problem.message.startswith("image reference ")
    assert "registry.example:5000/team/base:1" in problem.hint


def test_a_value_that_is_built_by_hand_is_checked_too():
    with pytest.raises(DefinitionError, match="not a tag"):
        ImageReference(registry="docker.io", repository="a", tag="x y")
    with pytest.raises(DefinitionError, match="not a digest"):
        ImageReference.parse("a").with_digest("sha256:1")


def test_the_digest_decides_what_a_registry_is_asked_for():
    assert ImageReference.parse("ubuntu").selector == "latest"
    assert ImageReference.parse("ubuntu:1").selector == "1"
    assert ImageReference.parse("ubuntu:1").with_digest(DIGEST).selector == DIGEST


def test_a_new_tag_drops_the_digest_and_a_new_digest_keeps_the_tag():
    pinned = ImageReference.parse("ubuntu:1").with_digest(DIGEST)
    assert str(pinned) == f"ubuntu:1@{DIGEST}"
    assert str(pinned.with_tag("2")) == "ubuntu:2"


@pytest.mark.parametrize(
    ("registry", "loopback"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("registry.localhost:80", True),
        ("127.0.0.1:5000", True),
        ("127.8.8.8", True),
        ("[::1]", True),
        ("[::1]:5000", True),
        ("registry.example", False),
        ("10.0.0.1:5000", False),
        ("localhost.example", False),
    ],
)
def test_loopback_registries_are_known(registry, loopback):
    assert ImageReference(registry=registry, repository="a").is_loopback is loopback


def test_digests_are_checked_whole():
    assert is_digest(DIGEST)
    assert is_digest("sha512:" + "0" * 128)
    assert not is_digest(DIGEST + "\n")
    assert not is_digest("sha256:" + "g" * 64)


@given(st.text(alphabet="aB0.-_/:@[]\n sha256", max_size=40) | st.from_regex(r"[a-z0-9./:@_-]{1,40}", fullmatch=True))
def test_any_text_is_refused_or_comes_back(text):
    try:
        found = ImageReference.parse(text)
    except DefinitionError:
        return
    assert ImageReference.parse(str(found)) == found
    assert not set(str(found)) & set(" \n")

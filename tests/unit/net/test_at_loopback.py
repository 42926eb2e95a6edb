"""The short way to a registry on this machine says what the long way says, or nothing."""

import contextlib
import random
import socket
import threading

import pytest

from envbuild.core.errors import DefinitionError
from envbuild.core.reference import ImageReference
from envbuild.net import at_loopback
from envbuild.net.at_loopback import digest_of_both
from envbuild.net.registry import RegistryClient

from .loopback import Answer
from .samples import FakeRegistry, make_image

IMAGE, OTHER = make_image([[("a", b"1")]]), make_image([[("a", b"2")]])
FIRST, SECOND = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


@pytest.fixture
def fake(server):
    registry = FakeRegistry(server)
    for tag in ("1", "key", "latest"):
        registry.hold("team/app", tag, IMAGE)
    registry.hold("team/app", "moved", OTHER)
    return registry


@pytest.mark.parametrize("name", ["team/app:1", "team/app", "team/app:key"])
def test_it_is_the_digest_that_the_client_finds(fake, name):
    reference = fake.reference(name)
    assert digest_of_both(reference, "key") == IMAGE.digest == RegistryClient().digest(ImageReference.parse(reference))


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("team/app:moved", "key"),
        ("team/app:1", "moved"),
        ("team/app:none", "key"),
        ("team/app:1", "none"),
        ("b", "key"),
    ],
)
def test_another_digest_under_one_of_the_two_or_none_says_nothing(fake, name, tag):
    assert digest_of_both(fake.reference(name), tag) == ""


def test_a_login_says_nothing(fake):
    fake.login = "bearer"
    assert digest_of_both(fake.reference("team/app:1"), "key") == ""
    fake.login = "basic"
    assert digest_of_both(fake.reference("team/app:1"), "key") == ""


def test_a_network_that_is_off_is_not_asked(fake, monkeypatch):
    monkeypatch.setenv("ENVBUILD_OFFLINE", "1")
    assert digest_of_both(fake.reference("team/app:1"), "key") == ""
    assert fake.server.requests == []


@pytest.mark.parametrize("answer", [Answer(status=500), Answer(status=0), Answer(status=301), Answer(status=200)])
def test_any_other_answer_says_nothing(fake, answer):
    for tag in ("key", "1"):
        fake.faults[f"HEAD /v2/team/app/manifests/{tag}"] = [answer]
        assert digest_of_both(fake.reference("team/app:1"), "key") == ""
        fake.faults.clear()
    assert digest_of_both(fake.reference("team/app:1"), "key") == IMAGE.digest


@contextlib.contextmanager
def saying(*answers):
    """A server that says each of `answers` to one request of one connection, in small pieces, and then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            with connection, contextlib.suppress(ConnectionError):  # the client may have heard enough
                for answer in answers:
                    connection.recv(1 << 16)
                    for start in range(0, len(answer), 7):
                        connection.sendall(answer[start : start + 7])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}/team/app:1"
        thread.join(timeout=30)


def said(status="HTTP/1.1 200 OK", digest=FIRST, more=""):
    return f"{status}\r\ndocker-CONTENT-digest:  {digest} \r\n{more}\r\n".encode()


def test_an_answer_may_come_in_pieces():
    with saying(said(), said()) as name:
        assert digest_of_both(name, "key") == FIRST


@pytest.mark.parametrize(
    "answers",
    [
        [said(), said(digest=SECOND)],
        [said(), b""],
        [said(), said()[:-2]],
        [said(), said("HTTP/1.1 404 Not Found")],
        [said("HTTP/1.1 2000 OK"), said("HTTP/1.1 2000 OK")],
        [said("HTTP/2 200"), said("HTTP/2 200")],
        [said(digest=FIRST[:-1]), said(digest=FIRST[:-1])],
        [said(digest=FIRST.replace("sha256", "md5")), said(digest=FIRST.replace("sha256", "md5"))],
        [said(digest=""), said(digest="")],
        [said(more="x" * (1 << 17))],
    ],
)
def test_what_is_not_as_plain_as_it_should_be_says_nothing(answers):
    with saying(*answers) as name:
        assert digest_of_both(name, "key") == ""


@pytest.mark.parametrize("name", ["127.0.0.1:1/a:1", "127.0.0.1:99999999/a:1", "localhost:1/a"])
def test_a_registry_that_is_not_there_says_nothing(name):
    assert digest_of_both(name, "key") == ""


def test_a_name_is_read_as_everywhere_or_not_at_all():
    chance = random.Random(7)
    hosts = ["127.0.0.1:5000", "localhost:5000", "[::1]:5000", "127.0.0.1", "registry.example:5000", "10.0.0.1:1", ""]
    pieces = ["a", "b9", "-", "--", ".", "_", "__", "/", ":", "@", "1", "A", " ", "é", FIRST]
    taken = 0
    for _ in range(20_000):
        name = f"{chance.choice(hosts)}/{''.join(chance.choices(pieces, k=chance.randint(0, 6)))}"
        found = at_loopback._place(name)
        if found is not None:
            taken += 1
            host, port, repository, tag = found
            reference = ImageReference.parse(name)
            assert reference.is_loopback
            assert (reference.registry, reference.repository) == (f"{host}:{port}", repository)
            assert (reference.selector, reference.digest) == (tag, "")
    assert taken > 500


@pytest.mark.parametrize(
    "name",
    [f"127.0.0.1:1/{'a' * 300}", f"127.0.0.1:1/a:{'b' * 129}", "127.0.0.1:1/a:.b", "127.0.0.1:1/a:", "127.0.0.1:1/"],
)
def test_a_name_that_is_none_is_left_to_who_says_why(name):
    assert at_loopback._place(name) is None
    with pytest.raises(DefinitionError):
        ImageReference.parse(name)

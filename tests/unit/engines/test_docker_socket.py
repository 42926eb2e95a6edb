"""The two questions that are asked of docker's socket without the docker package."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from envbuild.core.errors import EngineError
from envbuild.engines.docker import DockerEngine
from envbuild.engines.docker_images import DockerImages
from envbuild.engines.docker_socket import FilePart, answers, api_version, image_attributes, send


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], list[bytes]]]:
    """Gives an answer to every request, as bytes; what was asked is in the list."""
    asked: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")

    def start(answer: bytes) -> list[bytes]:
        def serve() -> None:
            with listener.accept()[0] as connection:
                asked.append(connection.recv(4096).splitlines()[0])
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return asked

    yield start
    listener.close()


def test_an_image_that_is_there_is_told(engine):
    asked = engine(b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"Id": "sha256:1", "Size": 3}')
    assert image_attributes("r.example:5000/a/b@sha256:2", 5) == {"Id": "sha256:1", "Size": 3}
    assert asked == [b"GET /images/r.example:5000/a/b@sha256:2/json HTTP/1.0"]


def test_an_image_that_is_not_there_is_an_empty_answer(engine):
    engine(b'HTTP/1.0 404 Not Found\r\n\r\n{"message": "no such image"}')
    assert image_attributes("a", 5) == {}


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.0 500 Oops\r\n\r\n{}", b"HTTP/1.0 200 OK\r\n\r\nnot JSON", b"HTTP/1.0 200 OK\r\n\r\n[1]", b"x"],
)
def test_another_answer_is_left_to_the_docker_package(engine, answer):
    engine(answer)
    assert image_attributes("a", 5) is None


def test_no_name_adds_a_header(engine):
    asked = engine(b"HTTP/1.0 404 Not Found\r\n\r\n")
    image_attributes("a HTTP/1.0\r\nX: y", 5)
    assert asked == [b"GET /images/a%20HTTP/1.0%0D%0AX:%20y/json HTTP/1.0"]


def test_an_engine_answers_or_does_not(engine, monkeypatch, tmp_path):
    engine(b"HTTP/1.0 200 OK\r\n\r\nOK")
    assert answers(5)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
    assert not answers(5)


def test_an_engine_elsewhere_is_left_to_the_docker_package(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert not answers(5)
    assert image_attributes("a", 5) is None


def test_the_version_of_the_api_is_read_from_the_ping(engine):
    engine(b"HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\nServer: Docker\r\n\r\nOK")
    assert api_version(5) == (1, 41)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.0 200 OK\r\n\r\nOK", b"HTTP/1.0 200 OK\r\nApi-Version: new\r\n\r\nOK", b""]
)
def test_an_engine_without_a_version_has_none(engine, answer):
    engine(answer)
    assert api_version(5) == ()


class Taking:
    """An engine that answers once it has read `enough` bytes of what it is sent, or an end that is `until`."""

    def __init__(self, place, answer, enough=1 << 30, until=b"\0nothing"):
        self.answer, self.enough, self.until, self.body = answer, enough, until, b""
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(place))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with self.listener.accept()[0] as connection:
            while len(self.body) < self.enough and not self.body.endswith(self.until):
                self.body += connection.recv(1 << 16)
            connection.sendall(self.answer)
            connection.shutdown(socket.SHUT_WR)


OK = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"stream":"x"}'


@pytest.mark.parametrize("code", [0, errno.EINVAL, errno.EOPNOTSUPP])
def test_what_is_sent_arrives_whole(tmp_path, monkeypatch, code):
    if code:

        def refused(*_):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "sendfile", refused)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/t")
    (tmp_path / "file").write_bytes(b"0123456789")
    taking = Taking(tmp_path / "t", OK, until=b"\x003456")
    with (tmp_path / "file").open("rb") as file:
        part = FilePart(file=file, offset=3, size=4)
        pieces = [b"one", part, bytes(1 << 16), part]
        assert send("/images/load?quiet=1", 11 + (1 << 16), iter(pieces), 5) == (200, b'{"stream":"x"}')
        assert part.read() == b"3456"
    head, _, body = taking.body.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /images/load?quiet=1 HTTP/1.1\r\n")
    assert b"Content-Length: 65547" in head
    assert body == b"one3456" + bytes(1 << 16) + b"3456"


def test_a_refusal_is_heard_although_there_is_more_to_send(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/t")
    Taking(tmp_path / "t", b'HTTP/1.1 500 Oops\r\nContent-Length: 16\r\n\r\n{"message":"no"}', enough=1)
    images = DockerImages(DockerEngine())
    with pytest.raises(EngineError, match="cannot load the image: no"):
        images.load(64 << 20, iter([bytes(1 << 20)] * 64))


def test_an_engine_that_goes_away_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/t")
    Taking(tmp_path / "t", b"", enough=1)
    with pytest.raises(EngineError, match="cannot load the image"):
        DockerImages(DockerEngine()).load(1, iter([b"x"]))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
    with pytest.raises(EngineError, match="cannot load the image"):
        DockerImages(DockerEngine()).load(1, iter([b"x"]))


def test_an_engine_that_takes_nothing_is_not_waited_for_without_end(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/t")
    with socket.socket(socket.AF_UNIX) as listener, (tmp_path / "file").open("w+b") as file:
        listener.bind(f"{tmp_path}/t")
        listener.listen()
        file.truncate(8 << 20)
        for piece in (bytes(8 << 20), FilePart(file=file, offset=0, size=8 << 20)):
            with pytest.raises(OSError):
                send("/images/load", 8 << 20, [piece], 0.2)
        with pytest.raises(OSError, match="shorter"):
            send("/images/load", 1, [FilePart(file=file, offset=8 << 20, size=1)], 0.2)


def test_old_engines_keep_layers_and_an_engine_that_cannot_be_asked_is_not_thought_to(engine, monkeypatch, tmp_path):
    engine(b"HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\n\r\nOK")
    assert DockerImages(DockerEngine()).keep_layers()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
    assert not DockerImages(Silent()).keep_layers()


class Silent:
    @property
    def client(self):
        raise EngineError("it does not answer")

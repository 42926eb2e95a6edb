"""The two questions that are asked of docker's socket without the docker package."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from envbuild.engines.docker_socket import answers, image_attributes


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

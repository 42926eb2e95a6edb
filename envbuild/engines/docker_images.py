"""The images of a docker engine as one that is handed over needs them: what layers it has, and what it takes.

Over its socket where there is one (see `docker_socket`), else through the `docker` package.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from envbuild.core.errors import EngineError
from envbuild.engines import docker_socket
from envbuild.engines.docker import DockerEngine
from envbuild.engines.docker_api import ANSWER_TIMEOUT
from envbuild.engines.docker_socket import FilePart

_MOST_IMAGES = 200
_BLOBS_SINCE = (1, 42)
"""The first version of the API whose engines may keep blobs instead of layers."""


class DockerImages:
    """The images of `engine`."""

    def __init__(self, engine: DockerEngine) -> None:
        """Ask `engine`."""
        self._engine = engine

    @property
    def is_near(self) -> bool:
        """Whether the engine is on this machine, so that bytes cost nothing."""
        return docker_socket.is_near()

    def keep_layers(self) -> bool:
        """Tell whether the engine keeps layers, so that it may be sent only those that it lacks; not where it keeps blobs."""
        try:
            if () < docker_socket.api_version(ANSWER_TIMEOUT) < _BLOBS_SINCE:
                return True
            # this takes an engine longer than anything else that is asked
            status = (self._answer("/info") or self._api.info()).get("DriverStatus") or []
        except Exception:  # noqa: BLE001 - a guess that may fail: all layers are always right
            return False
        return not any("io.containerd.snapshotter" in str(value) for pair in status for value in pair)

    def layers(self) -> Iterator[Sequence[str]]:
        """Yield the layers (`diff_ids`) of images, the likely ones first: those with the time of what is reproducible."""
        images = self._answer("/images/json")
        images = self._api.images() if images is None else images
        for image in sorted(images, key=lambda one: int(one.get("Created") or 0))[:_MOST_IMAGES]:
            name = str(image["Id"])
            told = docker_socket.image_attributes(name, ANSWER_TIMEOUT) or self._api.inspect_image(name)
            yield told.get("RootFS", {}).get("Layers") or ()

    def load(self, size: int, pieces: Iterable[bytes | FilePart]) -> None:
        """Load a docker-archive of `size` bytes.

        Raises:
            EngineError: the engine does not take it.
        """
        for event in self._loaded(size, pieces):
            if wrong := event.get("error") or event.get("message"):
                raise EngineError(f"docker cannot load the image: {wrong}")

    def inspect(self, name: str) -> str | None:
        """Return the id of the image `name`, or None."""
        found = self._engine.inspect(name)
        return found.id if found is not None else None

    def remove(self, identity: str) -> None:
        """Remove an image that nobody uses; no error where that is not possible."""
        if docker_socket.ask("DELETE", f"/images/{quote(identity, safe=':')}", ANSWER_TIMEOUT) is None:
            self._engine.remove_image(identity)

    def _loaded(self, size: int, pieces: Iterable[bytes | FilePart]) -> list[dict[str, Any]]:
        if docker_socket.is_near():
            try:
                body = docker_socket.send("/images/load?quiet=1", size, pieces, ANSWER_TIMEOUT)[1]
            except (OSError, HTTPException) as error:
                raise EngineError(f"docker cannot load the image: {error}") from error
            return [json.loads(line) for line in body.splitlines() if line.startswith(b"{")]
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        try:
            return list(self._api.load_image(docker_socket.in_memory(pieces), quiet=True) or ())
        except (DockerException, RequestException) as error:
            raise EngineError(f"docker cannot load the image: {error}") from error

    def _answer(self, path: str) -> Any:
        answer = docker_socket.ask("GET", path, ANSWER_TIMEOUT)
        return json.loads(answer[1]) if answer is not None and answer[0] == 200 else None

    @property
    def _api(self) -> Any:
        return self._engine.client.api

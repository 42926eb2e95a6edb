"""Building with BuildKit over the engine's REST API, where there is a socket but no client that can (Docker Engine API, `POST /build`).

There is no session, so secrets and SSH agents cannot be given this way.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from envbuild.context import Context, tar_context
from envbuild.engines.argv import without_client
from envbuild.engines.building import BuildFailedError
from envbuild.engines.protocol import BuildOptions

if TYPE_CHECKING:
    import docker

_TRACE = "moby.buildkit.trace"
_IMAGE = "moby.image.id"


def build_parameters(tags: tuple[str, ...], options: BuildOptions) -> dict[str, Any]:
    """Return the query of `POST /build`."""
    options = without_client(options)
    parameters: dict[str, Any] = {
        "version": "2",
        "t": list(tags),
        "rm": True,
        "nocache": options.no_cache,
        "pull": options.pull,
        "platform": options.platform,
        "target": options.target,
        "networkmode": options.network,
        "buildargs": json.dumps(dict(options.build_args)) if options.build_args else "",
        "cachefrom": json.dumps(list(options.cache_from)) if options.cache_from else "",
    }
    return {name: value for name, value in parameters.items() if value}


def build_over_rest(
    client: docker.DockerClient, context: Context, tags: tuple[str, ...], options: BuildOptions, images: list[str]
) -> Callable[[Callable[[str], None]], None]:
    """Return a build for `watched`; the id of the image that it makes is appended to `images`."""

    def build(take: Callable[[str], None]) -> None:
        with tempfile.TemporaryFile() as archive:
            tar_context(context, archive)
            archive.seek(0)
            api: Any = client.api
            answer = api._post(  # noqa: SLF001 (the package has no public call that passes `version=2`)
                api._url("/build"),  # noqa: SLF001
                data=archive,
                params=build_parameters(tags, options),
                headers={"Content-Type": "application/x-tar"},
                stream=True,
                timeout=None,
            )
            api._raise_for_status(answer)  # noqa: SLF001
            for event in api._stream_helper(answer, decode=True):  # noqa: SLF001
                _take_event(event, take, images)

    return build


def _take_event(event: dict[str, Any], take: Callable[[str], None], images: list[str]) -> None:
    if "error" in event:
        raise BuildFailedError(str(event["error"]))
    if event.get("id") == _IMAGE:
        images.append(str(event["aux"]["ID"]))
    elif event.get("id") == _TRACE:
        for line in trace_lines(base64.b64decode(event["aux"])):
            take(line)
    elif "stream" in event:
        for line in str(event["stream"]).splitlines():
            take(line)


def trace_lines(data: bytes) -> Iterator[str]:
    """Yield what a `StatusResponse` of BuildKit's control API says, in the words of `docker build --progress=plain`.

    Its protobuf (moby/buildkit `api/services/control/control.proto`): vertexes = 1 (digest 1, name 3, cached 4,
    completed 6, error 7), logs = 3 (vertex 1, msg 4).
    """
    for number, value in _fields(data):
        if number == 1:
            yield from _vertex(dict(_fields(value)))
        elif number == 3:
            said = dict(_fields(value))
            name = _number(said.get(1, b""))
            for line in said.get(4, b"").decode(errors="replace").splitlines():
                yield f"#{name} 0.0 {line}"


def _vertex(fields: dict[int, bytes]) -> Iterator[str]:
    name = _number(fields.get(1, b""))
    yield f"#{name} {fields.get(3, b'').decode(errors='replace')}"
    if 7 in fields:
        yield f"#{name} ERROR: {fields[7].decode(errors='replace')}"
    elif 4 in fields:
        yield f"#{name} CACHED"
    elif 6 in fields:
        yield f"#{name} DONE 0.0s"


def _number(digest: bytes) -> str:
    """A number for a vertex, made of its digest, as plain output has small numbers."""
    return str(int(digest.partition(b":")[2][:12] or b"0", 16))


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the fields of one protobuf message: length-delimited ones as they are, others as their raw bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        start = position
        if kind == 2:
            length, start = _varint(data, position)
            position = start + length
        elif kind == 0:
            _, position = _varint(data, position)
        else:
            position += 8 if kind == 1 else 4
        yield key >> 3, data[start:position]


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position

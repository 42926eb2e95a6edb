from __future__ import annotations

import base64

import pytest

from envbuild.context import Context
from envbuild.engines.build_log import BuildLog
from envbuild.engines.building import BuildFailedError
from envbuild.engines.protocol import BuildOptions
from envbuild.engines.rest_build import _take_event, build_parameters, trace_lines


def field(number: int, value: bytes | int) -> bytes:
    """Encode one protobuf field."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


DIGEST = b"sha256:" + b"0a" * 32


def test_vertexes_and_their_output_read_like_plain_progress() -> None:
    started = field(1, field(1, DIGEST) + field(3, b"[a 1/2] RUN x") + field(5, b"\x08\x01"))
    said = field(3, field(1, DIGEST) + field(2, b"\x08\x01") + field(3, 1) + field(4, b"one\ntwo\n"))
    done = field(1, field(1, DIGEST) + field(3, b"[a 1/2] RUN x") + field(6, b"\x08\x02"))
    number = int(b"0a" * 6, 16)
    assert list(trace_lines(started + said + done)) == [
        f"#{number} [a 1/2] RUN x",
        f"#{number} 0.0 one",
        f"#{number} 0.0 two",
        f"#{number} [a 1/2] RUN x",
        f"#{number} DONE 0.0s",
    ]


def test_cached_and_failed_vertexes_are_told() -> None:
    cached = field(1, field(1, DIGEST) + field(3, b"[a 1/2] RUN x") + field(4, 1) + field(6, b""))
    failed = field(1, field(1, DIGEST) + field(3, b"[a 1/2] RUN x") + field(7, b"exit code: 1"))
    assert [line.partition(" ")[2] for line in trace_lines(cached)] == ["[a 1/2] RUN x", "CACHED"]
    assert [line.partition(" ")[2] for line in trace_lines(failed)][1] == "ERROR: exit code: 1"
    log = BuildLog(Context(dockerfile=""))
    for line in trace_lines(cached):
        log.take(line)
    assert log.cached == ["RUN x"]


def test_long_texts_and_unknown_fields_are_skipped_rightly() -> None:
    name = b"[a 1/2] RUN " + b"x" * 300
    unknown = varint(9 << 3 | 1) + b"12345678" + varint(10 << 3 | 5) + b"1234"
    lines = list(trace_lines(unknown + field(1, field(1, DIGEST) + unknown + field(3, name))))
    assert lines[0].endswith("x" * 300)


def test_the_image_the_output_and_the_error_are_taken_from_the_stream() -> None:
    images: list[str] = []
    lines: list[str] = []
    trace = base64.b64encode(field(1, field(1, DIGEST) + field(3, b"[a 1/2] RUN x"))).decode()
    _take_event({"id": "moby.buildkit.trace", "aux": trace}, lines.append, images)
    _take_event({"id": "moby.image.id", "aux": {"ID": "sha256:1"}}, lines.append, images)
    _take_event({"stream": "Step 1/2 : FROM x\n"}, lines.append, images)
    assert images == ["sha256:1"]
    assert lines[1] == "Step 1/2 : FROM x"
    with pytest.raises(BuildFailedError, match="exit code"):
        _take_event({"error": "exit code: 1"}, lines.append, images)


def test_only_what_is_asked_for_is_a_parameter() -> None:
    assert build_parameters(("a",), BuildOptions()) == {"version": "2", "t": ["a"], "rm": True}
    full = BuildOptions(
        no_cache=True, build_args=(("A", "1"),), platform="linux/arm64", network="host", cache_from=("r",)
    )
    assert build_parameters((), full) == {
        "version": "2",
        "rm": True,
        "nocache": True,
        "platform": "linux/arm64",
        "networkmode": "host",
        "buildargs": '{"A": "1"}',
        "cachefrom": '["r"]',
    }

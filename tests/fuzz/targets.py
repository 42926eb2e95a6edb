"""Every parser that reads what somebody else wrote, as one function of bytes: it returns, or raises an error of ours.

Whatever else it raises is a defect. `SEEDS` are usual inputs to start from; `WORDS` are pieces that parsers look at.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gzip
import io
import json
import logging
import re
import shlex
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import zstandard

from envbuild.core.definition import NOWHERE
from envbuild.core.errors import DefinitionError, EnvbuildError
from envbuild.core.lock import PipFile, PipPackage
from envbuild.core.platforms import parse_platform
from envbuild.core.reference import ImageReference
from envbuild.core.selection import Chosen
from envbuild.engines.elf import read_elf
from envbuild.engines.oci.tar import TarWriter
from envbuild.engines.oci.units import Surroundings
from envbuild.engines.oci.wheels import WheelUnit
from envbuild.formats.detect import read_lock
from envbuild.formats.header import read_header
from envbuild.net.credentials import mask_url, strip_credentials
from envbuild.net.layers import members
from envbuild.net.oci_layout import image_source
from envbuild.read.findings import Findings
from envbuild.read.kinds import kind_of
from envbuild.read.matchspec import MatchSpecError, parse_matchspec
from envbuild.read.requirement import read_requirement
from envbuild.render.dockerfile import instructions, json_array, shell_word, word
from envbuild.render.dockerignore import DockerIgnore
from envbuild.render.own_dockerfile import prepare
from tests.security.fields import _PARSERS, FIELDS
from tests.security.judge import docker_value
from tests.support.process_state import unchanged_process
from tests.support.wheel import make_wheel

Target = Callable[[bytes], None]
LINUX = parse_platform("linux-64")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _definition(kind: str) -> Target:
    def target(data: bytes) -> None:
        _PARSERS[kind](_text(data))

    return target


def _lock(name: str) -> Target:
    def target(data: bytes) -> None:
        read_lock(_text(data), name)

    return target


def _matchspec(data: bytes) -> None:
    with contextlib.suppress(MatchSpecError):
        parse_matchspec(_text(data))


def _requirement(data: bytes) -> None:
    read_requirement(_text(data), NOWHERE, Findings())


def _value(data: bytes) -> None:
    """What is quoted for Docker or a shell comes out as it was: judged by other readers than the ones that wrote it."""
    text = _text(data)
    if docker_value(word(text)) != text:
        raise AssertionError(f"Docker reads {word(text)} as {docker_value(word(text))!r}")
    if shlex.split(shell_word(text)) != [text]:
        raise AssertionError(f"a shell reads {shell_word(text)} as {shlex.split(shell_word(text))}")
    if json.loads(json_array([text])) != [text] or "\n" in json_array([text]):
        raise AssertionError(f"the exec form of {text!r} is another")


def _dockerfile(data: bytes) -> None:
    text = _text(data)
    list(instructions(text))
    prepare(text, {"ubuntu": "ubuntu:24.04"}, "own", folder="context")


def _ignore(data: bytes) -> None:
    first, _, rest = _text(data).partition("\n")
    # no file system has longer names
    DockerIgnore.parse(rest).ignores("/".join(one[:255] for one in first.split("/")[:100]) or "x")


def _url(data: bytes) -> None:
    text = _text(data)
    strip_credentials(text)
    if (secret := re.match(r"https?://u:([A-Za-z0-9]{6,})@[a-z.]+/?\Z", text)) and secret[1] in mask_url(text):
        raise AssertionError(f"{mask_url(text)} shows its password")


def _layer(data: bytes) -> None:
    for number, (member, tar) in enumerate(members(io.BytesIO(data), "layer")):
        if member.isfile() and number < 50:
            tar.extractfile(member).read(1 << 20)  # type: ignore[union-attr]


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="envbuild-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _wheel(data: bytes) -> None:
    path = _folder() / "wheel"
    path.write_bytes(data)
    file = PipFile(filename="pkg-1.0-py3-none-any.whl", hashes=(("sha256", "0" * 64),))
    chosen = Chosen(package=PipPackage(name="pkg", version="1.0", wheels=(file,)), file=file)
    written = io.BytesIO()
    around = Surroundings(prefix="/opt/env", minor=(3, 11))
    WheelUnit(chosen=chosen, size=len(data), surroundings=around, path=path).write(TarWriter(written.write))
    written.seek(0)
    with tarfile.open(fileobj=io.BytesIO(written.getvalue() + b"\0" * 1024)) as tar:
        for member in tar:
            if not f"/{member.name}/".startswith(("/opt/env/", "/opt/")) or ".." in member.name.split("/"):
                raise AssertionError(f"the wheel reaches {member.name}")


def _archive(data: bytes) -> None:
    path = _folder() / "image.tar"
    path.write_bytes(data)
    image_source(path).resolve(LINUX)


def _elf(data: bytes) -> None:
    read_elf(io.BytesIO(data))


@functools.cache
def _application() -> Callable[..., object]:
    from envbuild.serving.app import Application
    from envbuild.serving.script import load_script
    from envbuild.serving.settings import Settings

    (_folder() / "score.py").write_text("def init():\n    pass\n\n\ndef run(data):\n    return data\n")
    settings = Settings(app_root=_folder(), entry_script="score.py", access_log=False)
    with unchanged_process():
        return Application(settings, load_script(settings))


@contextlib.contextmanager
def _no_logs() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _request(data: bytes) -> None:
    """The first line is method and path, then headers until an empty line, then the body, as on the wire."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    method, _, target = first.partition(" ")
    path, _, query = target.partition("?")
    environ: dict[str, object] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "5001",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
    }
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value.strip()
    status: list[str] = []
    with _no_logs():
        answer = _application()(environ, lambda text, headers: status.append(text))
        b"".join(answer)  # type: ignore[arg-type]
    if not status or (status[0].startswith("500") and not method.isalpha()):
        raise AssertionError(f"{first!r} was answered {status}")


def _index_page(data: bytes) -> None:
    from envbuild.solve.simple_index import page_files

    class Answer:
        status_code = 200
        url = "https://index.example/simple/x/"
        content = data
        text = _text(data)
        headers = {"Content-Type": "application/vnd.pypi.simple.v1+json" if data[:1] == b"{" else "text/html"}  # noqa: RUF012

    class Client:
        def request(self, *_words: object, **_said: object) -> Answer:
            return Answer()

    page_files("https://index.example/simple/x/", Client())  # type: ignore[arg-type]


TARGETS: Mapping[str, Target] = {
    **{f"definition: {kind}": _definition(kind) for kind in _PARSERS},
    **{
        f"lock: {name}": _lock(name)
        for name in ("conda-lock.yml", "pylock.toml", "uv.lock", "Pipfile.lock", "explicit.txt")
    },
    "lock header": lambda data: void(read_header(_text(data))),
    "kind of file": lambda data: void(kind_of("x.yml", _text(data))),
    "MatchSpec": _matchspec,
    "requirement": _requirement,
    "Dockerfile value": _value,
    "own Dockerfile": _dockerfile,
    ".dockerignore": _ignore,
    "image reference": lambda data: void(ImageReference.parse(_text(data))),
    "URL": _url,
    "tar layer": _layer,
    "wheel": _wheel,
    "image archive": _archive,
    "ELF": _elf,
    "server request": _request,
    "index page": _index_page,
}


def void(_found: object) -> None:
    """Take a result that is not looked at."""


def run(name: str, data: bytes) -> bool:
    """Run one case; tell whether the input was accepted. Anything but an error of ours goes through."""
    try:
        TARGETS[name](data)
    except (EnvbuildError, DefinitionError):
        return False
    return True


def _tar() -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for path, content in (("etc/os-release", b"ID=debian\n"), ("usr/bin/python3", b"\x7fELF")):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("bin")
        link.type, link.linkname = tarfile.SYMTYPE, "usr/bin"
        tar.addfile(link)
    return written.getvalue()


def _stored_zip(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return written.getvalue()


_CASES = Path(__file__).parents[2] / "fixtures"


def _files(*patterns: str) -> list[bytes]:
    found = [path for pattern in patterns for path in sorted(_CASES.rglob(pattern))]
    return [path.read_bytes() for path in found if path.stat().st_size < 20_000][:12]


@functools.cache
def seeds(name: str) -> tuple[bytes, ...]:
    """Return usual inputs of a target."""
    kind = name.removeprefix("definition: ")
    own = [
        one.file(one.harmless).encode() for one in FIELDS.values() if name.startswith("definition") and one.kind == kind
    ]
    more: Mapping[str, list[bytes]] = {
        "lock: conda-lock.yml": _files("conda-lock*.yml"),
        "lock: pylock.toml": _files("pylock*.toml"),
        "lock header": _files("conda-lock*.yml", "pylock*.toml"),
        "own Dockerfile": [
            *_files("*Dockerfile"),
            b'# syntax=a/b\nFROM ubuntu AS x\nRUN <<EOF\na\nEOF\nCOPY --from=x ["a", "b"]\n',
        ],
        "tar layer": [_tar(), gzip.compress(_tar()), zstandard.ZstdCompressor().compress(_tar())],
        "image archive": [_tar()],
        "wheel": [
            make_wheel("pkg", "1.0", files={"pkg.py": "x = 1"}, entry_points={"pkg": "pkg:main"}),
            _stored_zip({"a": b"b"}),
        ],
        "ELF": [Path("/bin/true").resolve().read_bytes()[:9000]] if Path("/bin/true").exists() else [b"\x7fELF"],
        "server request": [
            b'POST /score\nContent-Type: application/json\n\n{"data": [[1, 2]]}',
            b"GET /\n\n",
            b"OPTIONS /score\nOrigin: https://a.example\nAccess-Control-Request-Method: POST\n\n",
            b"GET /swagger.json?version=3\n\n",
            b"GET /score?data=1\n\n",
        ],
        "index page": [
            b'<!DOCTYPE html><html><base href="/x/"><a href="../f/a-1.0-py3-none-any.whl#sha256=ab" data-requires-python="&gt;=3">a</a>',
            b'{"meta": {"api-version": "1.1"}, "files": [{"filename": "a-1.0.tar.gz", "url": "a", "hashes": {"sha256": "ab"}}]}',
        ],
        "image reference": [b"ubuntu:24.04", b"registry.example:5000/a/b@sha256:" + b"a" * 64],
        "MatchSpec": [b"numpy=1.2", b"conda-forge::numpy[version='>=1,<2',build=py_0]", b"a >=1|<2 *_0"],
        "requirement": [
            b"six==1.0; python_version > '3'",
            b"a[b,c] @ https://h.example/a.whl#sha256=ab",
            b"git+https://h.example/a@v1#egg=a",
        ],
        "URL": [b"https://u:secret99@h.example/t/tok/x?y=1#z"],
        ".dockerignore": [b"a/b.c\n*.py\n!a/**/[b-d]?\n# x\n"],
    }
    return (*own, *more.get(name, [])) or (b"x",)


WORDS: tuple[bytes, ...] = tuple(
    word.encode()
    for word in (
        *(
            "\n",
            "\r\n",
            "\0",
            "\\",
            "'",
            '"',
            "`",
            "$",
            "${X}",
            "$(x)",
            "{{",
            "{%",
            "[",
            "]",
            "{",
            "}",
            "(",
            ")",
            "<",
            ">",
        ),
        *(
            ",",
            ";",
            ":",
            "::",
            "@",
            "#",
            "!",
            "!!",
            "&a",
            "*a",
            "|",
            "||",
            "&&",
            "=",
            "==",
            ">=",
            "~=",
            "!=",
            "*",
            "?",
            "%",
        ),
        *(
            "- ",
            "  ",
            "\t",
            "---\n",
            "...\n",
            "<<: ",
            "null",
            "true",
            "1e999",
            "-1",
            "0x",
            "9" * 30,
            ".inf",
            "2024-01-01",
        ),
        *(
            "FROM ",
            "RUN ",
            "COPY ",
            "ENV ",
            "<<EOF\n",
            "EOF\n",
            "--mount=",
            "--from=",
            "# syntax=",
            "AS ",
            "../",
            "/",
            "~",
        ),
        *(
            "git+",
            "https://",
            "file:",
            "-e ",
            "-r ",
            "-c ",
            "--hash=sha256:",
            "--index-url ",
            "; python_version",
            " and ",
            "extra",
        ),
        *(
            "dependencies",
            "channels",
            "pip",
            "name",
            "image",
            "build",
            "conda_file",
            "packages",
            "wheels",
            "url",
            "path",
            "marker",
        ),
        *(
            "[tool.envbuild]\n",
            "[[packages]]\n",
            "[project]\n",
            "é",
            "\u2028",
            "\u00a0",
            "\ufeff",
            "\U0001f4a9",
            "\ud7ff",
        ),
    )
)

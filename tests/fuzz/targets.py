"""Every parser that reads what somebody else wrote, as one function of bytes: it returns, or raises an error of ours.

Whatever else it raises is a defect. `seeds.py` has usual inputs to start from.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gzip
import hashlib
import io
import json
import logging
import re
import shlex
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from envbuild.audit import audit, read_database
from envbuild.core.definition import NOWHERE
from envbuild.core.errors import DefinitionError, EnvbuildError
from envbuild.core.lock import Lock, PipFile, PipPackage
from envbuild.core.platforms import parse_platform
from envbuild.core.reference import ImageReference
from envbuild.core.selection import Chosen
from envbuild.engines.elf import read_elf
from envbuild.engines.oci.compression import method
from envbuild.engines.oci.earlier import packages_of
from envbuild.engines.oci.store import Store
from envbuild.engines.oci.tar import Places
from envbuild.engines.oci.units import Surroundings
from envbuild.engines.oci.wheels import WheelUnit
from envbuild.formats.detect import read_lock
from envbuild.formats.header import read_header
from envbuild.net.credentials import mask_url, strip_credentials
from envbuild.net.images import Descriptor, resolve_image
from envbuild.net.layers import content_of, members
from envbuild.net.media_types import OCI_INDEX
from envbuild.net.oci_layout import image_source
from envbuild.net.registry_auth import Challenge
from envbuild.read.findings import Findings
from envbuild.read.kinds import kind_of
from envbuild.read.matchspec import MatchSpecError, parse_matchspec
from envbuild.read.mlflow import parse_mlmodel, parse_mlproject, parse_python_env
from envbuild.read.pipfile import parse_pipfile
from envbuild.read.pyproject import parse_pixi
from envbuild.read.requirement import read_requirement
from envbuild.read.setup_cfg import parse_setup_cfg
from envbuild.render.dockerfile import instructions, json_array, shell_word, word
from envbuild.render.dockerignore import DockerIgnore
from envbuild.render.own_dockerfile import prepare
from envbuild.serving.plain_http import ScoringServer, _Conversation
from envbuild.serving.settings import Settings
from envbuild.solve.base_contents import from_configuration
from tests.fuzz.azureml import AZUREML_TARGETS
from tests.security.fields import _PARSERS, _include
from tests.security.judge import docker_value
from tests.support.process_state import unchanged_process

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
        if member.isfile() and number < 50 and member.size < 1 << 20:
            content_of(member, tar, "layer")


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
    around = Surroundings(prefix="/opt/env", minor=(3, 11))
    unit = WheelUnit(chosen=chosen, size=len(data), surroundings=around, path=path)
    store = Store(root=_folder() / "store")
    made = store.layer("0" * 64, method("gzip"), Places(), lambda tar: unit.write(tar).to_list(), fresh=True)
    blob = store.blob_path(made.descriptor.digest)
    # what the wheel has compressed is in the layer as it is
    plain = gzip.decompress(blob.read_bytes())
    blob.unlink()
    if f"sha256:{hashlib.sha256(plain).hexdigest()}" != made.diff_id:
        raise AssertionError("the layer is not what its digest says")
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
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
        headers = {"Content-Type": "application/vnd.pypi.simple.v1+json" if data[:1] == b"{" else "text/html"}  # noqa: RUF012

    class Client:
        def read(self, *_words: object, **_said: object) -> tuple[Answer, bytes]:
            return Answer(), data

    page_files("https://index.example/simple/x/", Client())  # type: ignore[arg-type]


def _image_documents(data: bytes) -> None:
    """An index, a manifest and a configuration, as a registry may answer: a list, or a line each. Digests are checked elsewhere."""
    try:
        listed = json.loads(data)
        given = [json.dumps(one).encode() for one in listed] if isinstance(listed, list) else [data]
    except (ValueError, RecursionError):
        given = data.split(b"\n")
    root = Descriptor(media_type=OCI_INDEX, digest=f"sha256:{'0' * 64}", size=1)
    image = resolve_image("x", root, lambda _: given.pop(0) if given else data, LINUX)
    void(
        (
            image.diff_ids,
            image.size,
            image.pin,
            from_configuration(image.configuration),
            packages_of(json.loads(image.manifest)),
        )
    )


def _advisories(data: bytes) -> None:
    path = _folder() / "advisories"
    path.write_bytes(data)
    void([one.to_dict() for one in audit(_LOCK, read_database(path))])


_LOCK = Lock(definition_hash="", platforms=("linux-64",), pip=(PipPackage(name="flask", version="3.0.0"),))


class _Connection(io.BytesIO):
    """What a server reads from and writes to in a conversation; the client has said everything at once."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.answers = io.BytesIO()

    def makefile(self, mode: str, _buffering: int = -1) -> io.BufferedIOBase:
        return io.BufferedReader(self) if "r" in mode else io.BufferedWriter(self.answers)  # type: ignore[arg-type,type-var,return-value]

    def settimeout(self, _seconds: float) -> None: ...


def _wire(data: bytes) -> None:
    server = ScoringServer(None, _application(), Settings(app_root=_folder(), read_timeout_s=5.0), None)  # type: ignore[arg-type]
    with _no_logs(), contextlib.suppress(OSError):
        _Conversation(_Connection(data), ("127.0.0.1", 1), server)  # type: ignore[arg-type]


TARGETS: Mapping[str, Target] = {
    **{f"definition: {kind}": _definition(kind) for kind in _PARSERS},
    "definition: pixi": lambda data: void(parse_pixi(_text(data), "pixi.toml", _include, "")),
    "definition: Pipfile": lambda data: void(parse_pipfile(_text(data), "Pipfile")),
    "definition: setup.cfg": lambda data: void(parse_setup_cfg(_text(data), "setup.cfg", _include)),
    "definition: MLmodel": lambda data: void(parse_mlmodel(_text(data), "MLmodel", _include, frozenset({"conda.yml"}))),
    "definition: MLproject": lambda data: void(parse_mlproject(_text(data), "MLproject", _include)),
    "definition: python_env": lambda data: void(parse_python_env(_text(data), "python_env.yaml", _include)),
    **{
        f"lock: {name}": _lock(name)
        for name in (
            *("conda-lock.yml", "pylock.toml", "pixi.lock", "uv.lock", "poetry.lock", "Pipfile.lock"),
            *("mamba.json", "explicit.txt"),
        )
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
    "image documents": _image_documents,
    "registry challenge": lambda data: void(Challenge.parse(_text(data))),
    "advisories": _advisories,
    "ELF": _elf,
    "server request": _request,
    "wire request": _wire,
    "index page": _index_page,
    **AZUREML_TARGETS,
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

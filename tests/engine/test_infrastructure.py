"""The engine that the tests run on: it builds, it runs, and steps reach what the tests serve."""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from envbuild import programs
from envbuild.programs import ProgramError
from tests.support.base_image import BaseImage
from tests.support.channel import Channel
from tests.support.conda_prefix import install
from tests.support.engine import Engine
from tests.support.index import Index
from tests.support.registry import IMAGE_INDEX, MANIFEST

pytestmark = pytest.mark.engine


def _media_type(image: BaseImage) -> str:
    registry, path = image.repository.split("/", 1)
    url = f"http://{registry}/v2/{path}/manifests/{image.digest}"
    request = urllib.request.Request(url, headers={"Accept": f"{IMAGE_INDEX}, {MANIFEST}"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return str(answer.headers["Content-Type"])


def _context(folder: Path, dockerfile: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(dockerfile)
    return folder


def test_a_dockerfile_from_the_local_base_builds_and_runs(engine: Engine, base_image: BaseImage, tmp_path: Path):
    _context(tmp_path, f"FROM {base_image.pinned}\nRUN echo built > /said\n")
    engine.build(tmp_path, tag="infrastructure-built")
    assert engine.run("infrastructure-built", "cat", "/said") == "built\n"
    assert engine.run("infrastructure-built", "python3", "-c", "import venv, ensurepip; print(6 * 7)") == "42\n"


def test_the_bare_base_has_no_python_and_says_what_it_is(engine: Engine, bare_base_image: BaseImage):
    engine.docker("pull", "-q", bare_base_image.pinned)
    with pytest.raises(ProgramError, match="executable file not found"):
        engine.run(bare_base_image.pinned, "python3", "--version")
    label = '{{index .Config.Labels "org.opencontainers.image.title"}}'
    title = engine.docker("image", "inspect", "--format", label, bare_base_image.pinned).stdout
    assert title == "Debian 12 made by mmdebstrap for envbuild's tests\n"


def test_the_python_base_is_an_index_and_the_bare_one_a_manifest(base_image: BaseImage, bare_base_image: BaseImage):
    assert _media_type(base_image) == IMAGE_INDEX
    assert _media_type(bare_base_image) == MANIFEST


def test_in_process_the_engine_is_the_one_that_is_found(on_engine: Engine):
    assert programs.find("docker") == on_engine.client
    version = programs.run(["docker", "version", "--format", "{{.Server.Version}}"]).stdout
    assert version == on_engine.docker("version", "--format", "{{.Server.Version}}").stdout
    assert os.environ["DOCKER_HOST"] == on_engine.docker_host


def test_an_image_can_say_another_release(engine: Engine, release_image: Callable[[str, str], BaseImage]):
    image = release_image("ubuntu", "14.04")
    assert 'VERSION_ID="14.04"' in engine.run(image.pinned, "cat", "/etc/os-release")
    assert image.repository.endswith("/envbuild-tests/ubuntu-14.04-os-release")


def test_a_step_reaches_a_loopback_index_on_the_host_network(
    engine: Engine, base_image: BaseImage, index: Index, tmp_path: Path
):
    index.add("greeter", "1.0", files={"greeter.py": "print('hello')\n"})
    steps = f"RUN python3 -m venv /v && /v/bin/pip install --index-url {index.url} greeter\n"
    engine.build(_context(tmp_path, f"FROM {base_image.pinned}\n{steps}"), tag="infrastructure-index")
    assert engine.run("infrastructure-index", "/v/bin/python", "-c", "import greeter") == "hello\n"
    assert f"/files/{index.releases[0].file_name}" in index.paths()


def test_a_secret_reaches_a_step_and_stays_out_of_the_image(engine: Engine, bare_base_image: BaseImage, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("hush")
    step = "RUN --mount=type=secret,id=word,target=/run/secrets/word wc -c < /run/secrets/word > /length\n"
    context = _context(tmp_path / "context", f"FROM {bare_base_image.pinned}\n{step}")
    engine.build(context, tag="infrastructure-secret", secrets={"word": secret})
    assert engine.run("infrastructure-secret", "cat", "/length") == "4\n"
    assert engine.run("infrastructure-secret", "find", "/run", "-type", "f", "-name", "word") == ""


def test_a_published_port_answers_on_loopback(engine: Engine, base_image: BaseImage):
    options = ["--detach", "--rm", "--publish", "127.0.0.1::8000", base_image.pinned]
    container = engine.docker("run", *options, "python3", "-m", "http.server", "8000").stdout.strip()
    try:
        address = engine.docker("port", container, "8000").stdout.strip()
        assert b"Directory listing" in _get_when_up(f"http://{address}/")
    finally:
        engine.docker("rm", "--force", container)


@pytest.mark.index
def test_a_step_on_the_default_network_reaches_the_real_index(
    engine: Engine, base_image: BaseImage, ca_bundle: Path, tmp_path: Path
):
    install_step = "python3 -m venv /v && PIP_CERT=/run/secrets/ca.crt /v/bin/pip install -q iniconfig"
    step = f"RUN --mount=type=secret,id=ca,target=/run/secrets/ca.crt {install_step}\n"
    context = _context(tmp_path, f"FROM {base_image.pinned}\n{step}")
    engine.build(context, tag="infrastructure-real", network="default", secrets={"ca": ca_bundle})
    assert engine.run("infrastructure-real", "/v/bin/python", "-c", "import iniconfig; print('ok')") == "ok\n"


def test_the_conda_python_runs_in_the_bare_base(
    engine: Engine, bare_base_image: BaseImage, python_channel: Channel, tmp_path: Path
):
    install(python_channel, ["python=3.11", "greeter"], tmp_path / "env", prefix="/opt/env")
    _context(tmp_path, f"FROM {bare_base_image.pinned}\nCOPY env /opt/env\n")
    engine.build(tmp_path, tag="infrastructure-conda")
    program = "import ssl, sqlite3, json, ctypes, hashlib, sys; print(sys.prefix, ssl.create_default_context().cert_store_stats()['x509_ca'] > 0)"
    assert engine.run("infrastructure-conda", "/opt/env/bin/python", "-c", program) == "/opt/env True\n"
    assert engine.run("infrastructure-conda", "/opt/env/bin/greet") == "hello, adder 2.0\n"


def _get_when_up(url: str) -> bytes:
    deadline = time.monotonic() + 20
    while (found := _get(url)) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found is not None, f"{url} does not answer"
    return found


def _get(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bytes(answer.read())
    except OSError:
        return None

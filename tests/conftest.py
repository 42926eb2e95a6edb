"""Fixtures for all tests: each is lazy, so a test pays only for what it names."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from envbuild import programs
from envbuild.core.errors import EngineError
from tests.support import base_image as images
from tests.support import buildx, network_guard
from tests.support.ca import Authority, machine_bundle
from tests.support.cache import tests_cache
from tests.support.channel import Channel, python_module
from tests.support.conda_archive import CondaPackage
from tests.support.conda_python import pip_package, python_packages
from tests.support.debian import NoDebianError
from tests.support.engine import Engine, missing_engine
from tests.support.index import Index
from tests.support.provision import OWN_ENGINES, engine_environment

TESTS = Path(__file__).parent
SHARED = TESTS.parents[1] / "shared"
Report = Generator[None, pytest.TestReport, pytest.TestReport]

# how quickly examples come says how busy the machine is, and nothing of the code
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Golden files may be rewritten; a reviewer sees the difference."""
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files of fixtures/cases")


def pytest_configure(config: pytest.Config) -> None:
    """Fix where costly things are kept, before any test points the caches elsewhere."""
    os.environ.setdefault("ENVBUILD_TEST_CACHE_DIR", str(tests_cache()))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the engine of this process, where the test command wants one for each."""
    if os.environ.get(OWN_ENGINES) and hasattr(session.config, "workerinput"):
        os.environ.update(_ENGINE.enter_context(engine_environment()))


def pytest_sessionfinish() -> None:
    """Stop it."""
    _ENGINE.close()


_ENGINE = contextlib.ExitStack()

SLOW = ("oci", "precommit/test_hooks.py", "report/test_in_browser.py", "serving/test_browser.py")
"""What takes minutes or a browser; `python -m tests --all` runs it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow ones by where they are."""
    for item in items:
        if item.path.relative_to(TESTS).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, with the reason, what needs something that is not there."""
    if item.get_closest_marker("engine") and (reason := missing_engine()):
        pytest.skip(reason)
    if missing := [name for mark in item.iter_markers("found") for name in mark.args if buildx.find(name) is None]:
        pytest.skip(f"{' and '.join(missing)}: not on this machine, and no package of it to install")
    if item.get_closest_marker("index") and not index_answers():
        pytest.skip("the package index does not answer")
    if item.get_closest_marker("shared") and not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Report:
    """Where the engine is required (CI), an engine test that is skipped has failed, but for want of a program that is nowhere to be had."""
    report = yield
    required = os.environ.get("ENVBUILD_REQUIRE_ENGINE") == "1" and not item.get_closest_marker("found")
    if required and item.get_closest_marker("engine") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report


@functools.cache
def index_answers() -> bool:
    """Tell whether uv, configured as it is on this machine, finds a package in the index."""
    import uv

    argv = [uv.find_uv_bin(), "pip", "compile", "--quiet", "--no-cache", "--no-python-downloads", "-"]
    return programs.run(argv, stdin="iniconfig\n", check=False, timeout=60).code == 0


@pytest.fixture(autouse=True)
def _loopback_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if TESTS / "unit" in request.path.parents and not request.node.get_closest_marker("index"):
        network_guard.guard(monkeypatch)


@pytest.fixture(scope="session", autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    os.environ["ENVBUILD_CACHE_DIR"] = str(folder)
    return folder


@pytest.fixture(autouse=True)
def _own_settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _private_cache: Path) -> None:
    """Keep this machine's package settings, and what earlier tests left in caches (a port may come again), out of a test."""
    if request.node.get_closest_marker("index"):
        return
    cache = _private_cache / hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    for name in ("ENVBUILD_CACHE_DIR", "PIP_CACHE_DIR", "PIP_TOOLS_CACHE_DIR", "UV_CACHE_DIR"):
        monkeypatch.setenv(name, str(cache / name.lower()))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    for name in ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "DEFAULT_INDEX", "INDEX"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
        monkeypatch.delenv(f"UV_{name}", raising=False)


@pytest.fixture
def index() -> Iterator[Index]:
    """An empty package index on loopback: `index.add(name, version, requires=…)`, `index.url`, `index.requests`."""
    with Index() as server:
        yield server


@pytest.fixture
def private_index() -> Iterator[Index]:
    """The same, for user `reader` with password `s3cret-pass`; `index.with_credentials(index.url)` has both."""
    with Index(user="reader", password="s3cret-pass") as server:
        yield server


@pytest.fixture
def channel() -> Iterator[Channel]:
    """An empty conda channel on loopback: `channel.add(make_conda(…))`, `channel.url`, `channel.requests`."""
    with Channel() as server:
        yield server


@pytest.fixture
def private_channel() -> Iterator[Channel]:
    """The same, for user `reader` with password `s3cret-pass`."""
    with Channel(user="reader", password="s3cret-pass") as server:
        yield server


@pytest.fixture(scope="session")
def conda_python() -> list[CondaPackage]:
    """`python` 3.11 that runs, its libraries, and `pip`: add them to a channel of your own."""
    try:
        return [*python_packages(), pip_package()]
    except (NoDebianError, EngineError) as error:
        pytest.skip(f"no conda package of Python can be made here: {error}")


@pytest.fixture(scope="session")
def python_channel(conda_python: list[CondaPackage]) -> Iterator[Channel]:
    """A channel for reading only: `conda_python`, `adder` 1.0, 1.1 and 2.0, and `greeter` 1.0, which needs `adder >=1.1`."""
    small = [python_module("adder", version) for version in ("1.0", "1.1", "2.0")]
    greeter = python_module(
        "greeter",
        "1.0",
        modules={"greeter.py": "import adder\n\n\ndef main():\n    print('hello, adder', adder.__version__)\n"},
        depends=["adder >=1.1"],
        entry_points=["greet = greeter:main"],
    )
    with Channel([*conda_python, *small, greeter]) as server:
        yield server


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private certificate authority: `authority.secure(Index())` before `with`, clients trust `authority.certificate`."""
    if programs.find("openssl") is None:
        pytest.skip("openssl is not there")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def ca_bundle() -> Path:
    """The file of the authorities that this machine trusts: a build step needs it, as a secret, for the real index."""
    found = machine_bundle()
    if found is None:
        pytest.skip("no file of trusted authorities on this machine")
    return found


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The container engine that `python -m tests` started, with its registry; the test is skipped when there is none."""
    if reason := missing_engine():
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        yield Engine.from_environment(stack)


@pytest.fixture
def on_engine(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The engine, with this process's environment pointed at it: for tests that call envbuild in process."""
    for name, value in engine.settings().items():
        monkeypatch.setenv(name, value)
    return engine


@pytest.fixture(scope="session")
def docker_host(engine: Engine) -> str:
    """`unix://…` of the engine."""
    return engine.docker_host


@pytest.fixture(scope="session")
def registry(engine: Engine) -> str:
    """`127.0.0.1:<port>` of a registry without TLS or login that the engine may push to and pull from."""
    return engine.registry


@pytest.fixture(scope="session")
def base_image(engine: Engine) -> images.BaseImage:
    """Debian 12 with `python3` and `python3-venv`, in the local registry."""
    return images.provide(engine, images.PYTHON)


@pytest.fixture(scope="session")
def bare_base_image(engine: Engine) -> images.BaseImage:
    """Debian 12 with certificates and no Python, in the local registry."""
    return images.provide(engine, images.BARE)


@pytest.fixture(scope="session")
def release_image(engine: Engine) -> Callable[[str, str], images.BaseImage]:
    """Make an image whose `/etc/os-release` says another release: `release_image("ubuntu", "14.04")`."""
    return functools.cache(functools.partial(images.with_os_release, engine))

"""What we render, built and run for real: what is in the image, what is cached, what is refused, what leaks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild.code.wheel import code_of
from envbuild.context import write_context
from envbuild.core.definition import Base, BuildContext, CodeFolder, Definition, Origin, PipRequirement
from envbuild.core.errors import EngineError
from envbuild.core.keys import sha256
from envbuild.core.lock import CondaPackage, Lock, LockedBase, LockedPython, PipFile, PipPackage
from envbuild.core.plan import App, AppFile, Code, Plan, make_plan
from envbuild.engines.docker import DockerEngine
from envbuild.engines.protocol import BuildOptions
from envbuild.programs import ProgramError
from envbuild.render import RenderOptions, render
from tests.support.base_image import BaseImage
from tests.support.channel import Channel
from tests.support.code import code_project
from tests.support.engine import Engine
from tests.support.index import Index
from tests.support.installers import locked, publish_installers

pytestmark = pytest.mark.engine

HOST = BuildOptions(network="host")
HOSTILE = {
    "DOLLAR": "$HOME ${PATH} $(id)",
    "QUOTES": 'it\'s "quoted"',
    "BACKSLASH": "a\\b\\",
    "TICKS": "`id`",
    "HASH": "a # b",
    "UNICODE": "naïve ✓",
    "EMPTY": "",
}


@pytest.fixture(scope="module")
def tools() -> Iterator[tuple[PipPackage, ...]]:
    with Index() as server:
        yield publish_installers(server)


@pytest.fixture(scope="module")
def packages() -> Iterator[tuple[Index, tuple[PipPackage, ...]]]:
    """An index with `adder`, which has a script, and `big`, of many modules."""
    with Index() as server:
        adder = server.add(
            "adder", "1.0", files={"adder.py": "def main(): print('added')\n"}, entry_points={"add": "adder:main"}
        )
        big = server.add("big", "2.0", files={f"big/m{number}.py": f"x = {number}\n" for number in range(50)})
        yield server, (locked(server, adder), locked(server, big))


@pytest.fixture
def lock(base_image: BaseImage, packages, tools) -> Lock:
    index, pip = packages
    return Lock(
        definition_hash="",
        platforms=("linux-64",),
        pip=pip,
        tools=tools,
        index_url=index.url,
        python=LockedPython(version="3.11", provider="base", interpreter="/usr/bin/python3"),
        base=LockedBase(reference=base_image.reference, digest=base_image.digest, distribution="debian 12"),
    )


DEFINITION = Definition(
    kind="requirements",
    name="tested",
    allow_distribution=("debian",),
    pip=(
        PipRequirement(text="adder", name="adder", origin=Origin(file="requirements.txt", line=3)),
        PipRequirement(text="big", name="big", origin=Origin(file="requirements.txt", line=4)),
    ),
)


def app(script: str = "print('one')\n") -> App:
    files = {"main.py": script, "azureml-models/m/1/weights": "w"}
    return App(
        files=tuple(
            AppFile(path=f"/var/azureml-app/{name}", content=text.encode(), sha256=sha256(text.encode()))
            for name, text in files.items()
        ),
        command=("python", "main.py"),
        variables=tuple(HOSTILE.items()),
        labels=(("example.hostile", HOSTILE["DOLLAR"]),),
        workdir="/var/azureml-app",
    )


def build(engine: Engine, plan: Plan, tmp_path: Path, name: str = "tested", **wishes: str) -> str:
    """Build with nothing but the docker program, and return what it printed."""
    folder = tmp_path / "context"
    write_context(render(plan, options=RenderOptions(**wishes), root=tmp_path), folder, overwrite=True)
    return engine.build(folder, tag=name)


def cached(output: str) -> list[str]:
    """Return the steps that were not run."""
    numbers = re.findall(r"^#(\d+) CACHED", output, re.MULTILINE)
    return [found[1] for number in numbers if (found := re.search(rf"^#{number} \[(.*)$", output, re.MULTILINE))]


def run_steps(output: str) -> list[str]:
    """Return the instructions that ran."""
    numbers = re.findall(r"^#(\d+) DONE", output, re.MULTILINE)
    found = (re.search(rf"^#{number} \[[^\]]*\d/\d+\] (.*)$", output, re.MULTILINE) for number in numbers)
    return [one[1] for one in found if one and not one[1].startswith("FROM")]


def inspect(engine: Engine, name: str) -> dict:
    return json.loads(engine.docker("inspect", name).stdout)[0]


def test_the_image_holds_what_was_locked_and_every_value_as_written(on_engine, lock, tmp_path):
    build(on_engine, make_plan(DEFINITION, lock, app=app()), tmp_path)
    config = inspect(on_engine, "tested")["Config"]
    variables = dict(one.split("=", 1) for one in config["Env"])
    assert {name: variables[name] for name in HOSTILE} == HOSTILE
    assert config["Labels"]["example.hostile"] == HOSTILE["DOLLAR"]
    assert config["User"] == "1000:1000"
    assert config["Cmd"] == ["python", "main.py"]
    assert variables["PATH"].startswith("/opt/env/bin:/usr/local/sbin")
    assert on_engine.run("tested") == "one\n"
    assert on_engine.run("tested", "add") == "added\n"
    assert (
        on_engine.run("tested", "sh", "-c", "touch ~/mine && id -u && cat /var/azureml-app/azureml-models/m/1/weights")
        == "1000\nw"
    )
    listing = on_engine.run(
        "tested", "sh", "-c", "find / -xdev -name pip -o -xdev -name 'uv*' -type f | grep -v /proc | sort"
    )
    assert "/opt/env" not in listing
    assert "installers/" not in listing


def test_bytecode_is_there_and_stays_valid_whatever_happens_to_times(on_engine, lock, tmp_path):
    build(on_engine, make_plan(DEFINITION, lock), tmp_path)
    script = (
        "import glob; files = glob.glob('/opt/env/lib/python3.11/site-packages/**/*.pyc', recursive=True);"
        "print(len(files), {open(one, 'rb').read(8)[4] for one in files})"
    )
    # flags 3: a hash of the source, checked (PEP 552)
    assert on_engine.run("tested", "python", "-c", script) == "51 {3}\n"


def test_what_changed_is_all_that_is_built_again(on_engine, lock, tmp_path):
    before = make_plan(DEFINITION, lock, app=app())
    build(on_engine, before, tmp_path)
    assert run_steps(build(on_engine, before, tmp_path)) == []

    script = build(on_engine, make_plan(DEFINITION, lock, app=app("print('two')\n")), tmp_path)
    assert run_steps(script) == ["COPY azureml-app/main.py /var/azureml-app/"]
    assert on_engine.run("tested") == "two\n"

    renamed = replace(DEFINITION, variables=(("NEW", "1"),))
    assert run_steps(build(on_engine, make_plan(renamed, lock, app=app()), tmp_path)) == []

    fewer = make_plan(DEFINITION, replace(lock, pip=lock.pip[:1]), app=app())
    ran = run_steps(build(on_engine, fewer, tmp_path))
    assert [step.split(" ")[0] for step in ran] == ["RUN", "WORKDIR", "COPY", "COPY"]
    assert "uv pip install" in ran[0]


def test_bytes_that_are_not_those_of_the_lock_are_refused(on_engine, lock, tmp_path):
    wrong = replace(lock.pip[0].wheels[0], hashes=(("sha256", "0" * 64),))
    plan = make_plan(DEFINITION, replace(lock, pip=(replace(lock.pip[0], wheels=(wrong,)), lock.pip[1])))
    with pytest.raises(EngineError) as refused:
        DockerEngine().image(plan, name="refused", options=HOST)
    message = str(refused.value)
    assert "the pip step of the build failed (Dockerfile:" in message
    assert "asked for by requirements.txt:3\n" in message
    assert re.search("hash", message, re.IGNORECASE)
    log = Path(re.search(r"the full log is in (\S+)", message)[1])
    assert "adder" in log.read_text()

    tool = replace(lock.tools[0].wheels[0], hashes=(("sha256", "0" * 64),))
    plan = make_plan(DEFINITION, replace(lock, tools=(replace(lock.tools[0], wheels=(tool,)), lock.tools[1])))
    with pytest.raises(EngineError, match=r"has SHA-256 [0-9a-f]{64}; the lock has 0{64}"):
        DockerEngine().image(plan, name="refused", options=HOST)


@pytest.fixture
def build_base(release_image, on_engine, tmp_path):
    """Build an empty environment on an image that says it is `release`."""

    def run(release: tuple[str, str], allowed: tuple[str, ...]) -> str:
        base = LockedBase(reference=release_image(*release).reference, digest=release_image(*release).digest)
        lock = Lock(definition_hash="", platforms=("linux-64",), base=base)
        return build(on_engine, make_plan(Definition(kind="requirements", allow_distribution=allowed), lock), tmp_path)

    return run


@pytest.mark.parametrize(
    ("release", "allowed", "message"),
    [
        (("ubuntu", "14.04"), (), "envbuild: this base image has Ubuntu 14.04; Ubuntu 16.04 or later is needed"),
        (("alpine", "3.20"), (), "envbuild: this base image has alpine 3.20; Ubuntu 16.04 or later, or "),
        (("debian", "12"), (), "envbuild: this base image has debian 12; Ubuntu 16.04 or later, or "),
        (("ubuntu", "16.04"), (), ""),
        (("ubuntu", "26.04"), (), ""),
        (("centos", "7"), ("debian", "centos"), ""),
    ],
)
def test_the_first_step_refuses_what_is_not_supported(release, allowed, message, build_base):
    if not message:
        build_base(release, allowed)
        return
    with pytest.raises(ProgramError, match=re.escape(message)):
        build_base(release, allowed)


def test_the_first_step_names_a_python_that_is_not_the_locks(on_engine, lock, tmp_path):
    wrong = replace(lock, python=LockedPython(version="3.12", provider="base", interpreter="/usr/bin/python3"), pip=())
    message = "this base image has Python 3.11 as /usr/bin/python3; Python 3.12 is needed"
    with pytest.raises(ProgramError, match=re.escape(message)):
        build(on_engine, make_plan(DEFINITION, wrong), tmp_path)


@pytest.fixture
def conda_lock(python_channel: Channel, bare_base_image: BaseImage, tools: tuple[PipPackage, ...]) -> Lock:
    channel, base = python_channel, bare_base_image
    chosen = {package.record["name"]: package for package in channel.packages}.values()
    conda = tuple(
        CondaPackage(
            name=one.record["name"],
            version=one.record["version"],
            build=one.record["build"],
            build_number=one.record["build_number"],
            platform="linux-64",
            subdir=one.subdir,
            channel=channel.url,
            url=channel.package_url(one),
            sha256=one.record["sha256"],
            size=one.record["size"],
            depends=tuple(one.record["depends"]),
            noarch=one.record.get("noarch", ""),
        )
        for one in chosen
    )
    return Lock(
        definition_hash="",
        platforms=("linux-64",),
        channels=(channel.url,),
        conda=conda,
        tools=tools,
        python=LockedPython(version="3.11", provider="conda"),
        base=LockedBase(reference=base.reference, digest=base.digest, distribution="debian 12"),
    )


CONDA = Definition(kind="conda", name="conda", allow_distribution=("debian",))


def test_conda_packages_are_installed_without_leaving_an_installer(on_engine, conda_lock, packages, tmp_path):
    lock = replace(conda_lock, pip=packages[1][1:], index_url=packages[0].url)
    build(on_engine, make_plan(CONDA, lock, app=app()), tmp_path, "conda-tested")
    assert on_engine.run("conda-tested", "greet").startswith("hello, adder 2.0")
    assert (
        on_engine.run("conda-tested", "python", "-c", "import big.m7, sys; print(big.m7.x, sys.prefix)")
        == "7 /opt/env\n"
    )
    script = (
        "import glob; files = glob.glob('/opt/env/lib/python3.11/**/*.pyc', recursive=True);"
        "print({open(one, 'rb').read(8)[4] for one in files}, any('site-packages/adder' in one or 'adder.cpython' in one for one in files))"
    )
    assert on_engine.run("conda-tested", "python", "-c", script) == "{3} True\n"
    found = on_engine.run(
        "conda-tested",
        "sh",
        "-c",
        "command -v conda mamba micromamba uv; ls /usr/bin/python3; ls -A /run/envbuild/installers || true",
    )
    assert found == ""


RECORDER = """case "$1" in --version) echo "VERSION";; *) mkdir -p /opt/env; \
{ echo "$*"; env; cat /run/envbuild/conda/explicit.txt; } > /opt/env/record;; esac"""


def with_recorder(program: str, version: str) -> Definition:
    """A definition whose base has a `program` that records how it is called: no registry that tests reach has a real one."""
    script = RECORDER.replace("VERSION", version)
    step = f"RUN printf '%s\\n' '#!/bin/sh' '{script}' > /usr/local/bin/{program} && chmod 755 /usr/local/bin/{program}"
    return replace(CONDA, docker_steps=(step,))


@pytest.mark.parametrize("program", ["conda", "micromamba"])
def test_the_bases_own_conda_is_given_every_url_with_its_hash(program, on_engine, conda_lock, tmp_path):
    lock = replace(conda_lock, conda=tuple(replace(one, md5="e" * 32) for one in conda_lock.conda))
    plan = make_plan(with_recorder(program, "conda 23.1.0"), lock)
    build(on_engine, plan, tmp_path, "recorded", conda_installer=program)
    record = on_engine.run("recorded", "cat", "/opt/env/record").splitlines()
    assert record[0] == "create --yes --quiet --prefix /opt/env --file /run/envbuild/conda/explicit.txt"
    assert {"CONDA_PKGS_DIRS=/run/envbuild/cache/conda", "SOURCE_DATE_EPOCH=315532800"} <= set(record)
    listed = record[record.index("@EXPLICIT") + 1 :]
    assert sorted(listed) == sorted(f"{one.url}#{one.md5}" for one in lock.conda)


def test_a_conda_that_is_too_old_is_refused(on_engine, conda_lock, tmp_path):
    lock = replace(conda_lock, conda=tuple(replace(one, md5="e" * 32) for one in conda_lock.conda))
    with pytest.raises(ProgramError, match=r"this base image has conda 4\.4\.11; conda 4\.5 or later is needed"):
        plan = make_plan(with_recorder("conda", "conda 4.4.11"), lock)
        build(on_engine, plan, tmp_path, conda_installer="conda")


def test_conda_bytes_that_are_not_those_of_the_lock_are_refused(on_engine, conda_lock):
    lock = conda_lock
    changed = tuple(replace(one, sha256="0" * 64) if one.name == "greeter" else one for one in lock.conda)
    with pytest.raises(EngineError, match="the conda step of the build failed"):
        DockerEngine().image(make_plan(CONDA, replace(lock, conda=changed)), name="refused", options=HOST)


def test_a_planted_secret_is_in_no_layer_history_or_configuration(on_engine, lock, tmp_path):
    secret = tmp_path / "netrc"
    secret.write_text("machine index.example login someone password pl4nted-s3cret\n")
    context = render(make_plan(DEFINITION, lock, app=app()))
    image = DockerEngine().build(
        context, ("leaky",), options=replace(HOST, no_cache=True), secrets={"netrc": secret, "ca": secret}
    )
    archive = tmp_path / "image.tar"
    DockerEngine().save("leaky", archive)
    assert image.size > 0
    data = archive.read_bytes()
    assert b"azureml-app/main.py" in data
    assert b"pl4nted" not in data
    assert "pl4nted" not in on_engine.docker("history", "--no-trunc", "leaky").stdout


def test_a_users_own_dockerfile_steps_and_context_come_first(on_engine, lock, base_image, tmp_path):
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {base_image.reference}\nCOPY . /own\nUSER 33\n")
    (folder / "kept").write_text("kept")
    (folder / "left.pem").write_text("left")
    (folder / ".dockerignore").write_text("*.pem\n")
    base = Base(context=BuildContext(path="docker", content_hash="1"))
    definition = replace(DEFINITION, base=base, docker_steps=("USER 0", "RUN echo stepped \\\n    > /own/step"))
    build(on_engine, make_plan(definition, lock), tmp_path)
    assert on_engine.run("tested", "sh", "-c", "cd /own && ls && cat step && id -u").split() == [
        "Dockerfile",
        "kept",
        "step",
        "stepped",
        "1000",
    ]


def test_a_user_managed_environment_is_checked_and_nothing_is_installed(on_engine, lock, tmp_path):
    bare = replace(lock, pip=(), python=None, tools=())
    theirs = replace(DEFINITION, user_managed=True, interpreter_path="/usr/bin/python3", pip=())
    build(on_engine, make_plan(theirs, bare), tmp_path)
    assert on_engine.run("tested", "sh", "-c", "id -u; ls -d /opt/env || true") == "0\n"
    wanting = replace(theirs, pip=(PipRequirement(text="adder", name="adder"),))
    with pytest.raises(ProgramError, match=r"/usr/bin/python3 does not have: adder"):
        build(on_engine, make_plan(wanting, bare), tmp_path)


def test_a_private_wheel_is_installed_from_the_context(on_engine, lock, tmp_path):
    release = Index().add("ours", "3.0", files={"ours.py": "x = 'ours'\n"})
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / release.file_name).write_bytes(release.content)
    file = PipFile(filename=release.file_name, path=f"wheels/{release.file_name}", hashes=(("sha256", release.sha256),))
    ours = PipPackage(name="ours", version="3.0", wheels=(file,))
    build(on_engine, make_plan(DEFINITION, replace(lock, pip=(*lock.pip, ours))), tmp_path)
    assert on_engine.run("tested", "python", "-c", "import ours; print(ours.x)") == "ours\n"
    traces = (
        "find /opt/env -name uv_cache.json; grep -l uv_cache /opt/env/lib/python3.11/site-packages/*/RECORD || true"
    )
    assert on_engine.run("tested", "sh", "-c", traces) == ""


@pytest.fixture
def own_code(tmp_path: Path) -> tuple[Code, ...]:
    code_project(tmp_path / "project")
    return (code_of(CodeFolder(path="project"), tmp_path),)


@pytest.mark.slow
def test_own_code_is_the_same_whatever_installs_it_in_whatever_dialect(on_engine, lock, own_code, tmp_path):
    plan, seen = make_plan(DEFINITION, lock, code=own_code), set()
    for dialect, installer in (("buildkit", "uv"), ("plain", "uv"), ("buildkit", "pip"), ("plain", "pip")):
        build(on_engine, plan, tmp_path, "own-code", pip_installer=installer, dialect=dialect)
        assert on_engine.run("own-code", "sh", "-c", "mypkg && add") == "answer 1\nadded\n"
        listing = "cd /opt/env && find . -path '*mypkg*' -name '*.py*' | sort | xargs sha256sum"
        seen.add(on_engine.run("own-code", "sh", "-c", listing))
    assert len(seen) == 1
    found = on_engine.run("own-code", "sh", "-c", "find /opt/env -name 'pip*' -o -name '*.json' | grep -v venv || true")
    assert found == ""


def test_changed_code_makes_its_own_layer_again_and_no_other(on_engine, lock, own_code, tmp_path):
    build(on_engine, make_plan(DEFINITION, lock, code=own_code, app=app()), tmp_path, "own-code")
    (tmp_path / "project/mypkg/__init__.py").write_text("answer = 2\n")
    changed = (code_of(CodeFolder(path="project"), tmp_path),)
    ran = run_steps(build(on_engine, make_plan(DEFINITION, lock, code=changed, app=app()), tmp_path, "own-code"))
    assert [step.split(" ")[0] for step in ran] == ["RUN", "COPY", "WORKDIR", "COPY", "COPY"]
    assert "/run/envbuild/code" in ran[0]


def test_own_code_needs_no_package_of_an_index(on_engine, lock, conda_lock, own_code, tmp_path):
    alone = make_plan(DEFINITION, replace(lock, pip=()), code=own_code), make_plan(CONDA, conda_lock, code=own_code)
    for plan, dialect in ((plan, dialect) for plan in alone for dialect in ("buildkit", "plain")):
        build(on_engine, plan, tmp_path, "own-code", dialect=dialect)
        assert on_engine.run("own-code", "mypkg") == "answer 1\n"


def test_pip_installs_the_same_files_as_uv(on_engine, lock, tmp_path):
    plan = make_plan(DEFINITION, lock)
    build(on_engine, plan, tmp_path, "with-uv")
    build(on_engine, plan, tmp_path, "with-pip", pip_installer="pip")
    listing = ["sh", "-c", "cd /opt/env/lib/python3.11/site-packages && find . -name '*.py*' | sort | xargs sha256sum"]
    assert on_engine.run("with-pip", *listing) == on_engine.run("with-uv", *listing)
    assert (
        on_engine.run("with-pip", "sh", "-c", "ls /opt/env/lib/python3.11/site-packages | grep -i pip || echo none")
        == "none\n"
    )


def test_two_builds_with_cold_caches_give_the_same_files(on_engine, lock, own_code, tmp_path):
    plan = make_plan(DEFINITION, lock, app=app(), code=own_code)
    listing = "cd / && find opt var/azureml-app home ! -type d | sort | while read -r f; do stat -c '%n %f %u %g' \"$f\"; done; find opt var/azureml-app -type f | sort | xargs sha256sum"
    seen = []
    for name in ("cold-1", "cold-2"):
        context = render(plan)
        DockerEngine().build(context, (name,), options=replace(HOST, no_cache=True))
        seen.append(on_engine.run(name, "sh", "-c", listing))
    assert seen[0] == seen[1]

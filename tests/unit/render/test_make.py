"""Rendering: nothing in a definition becomes an instruction, layers are kept apart, and mistakes are named."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dockerfile as go_parser
import pytest

from envbuild.context import Context
from envbuild.core.definition import Base, CodeFolder, Definition, IndexOptions, Origin, PipRequirement
from envbuild.core.errors import EnvbuildError, PlanError
from envbuild.core.lock import (
    CondaPackage,
    Lock,
    LockedApt,
    LockedBase,
    LockedPython,
    PipFile,
    PipPackage,
    Vcs,
)
from envbuild.core.plan import App, AppFile, Code, Plan, make_plan
from envbuild.render import RenderOptions, render

DIGEST = "sha256:" + "ab" * 32
HASH = "cd" * 32


def wheel(name: str, version: str = "1.0", tag: str = "py3-none-any") -> PipPackage:
    filename = f"{name.replace('-', '_')}-{version}-{tag}.whl"
    file = PipFile(filename=filename, url=f"https://files.example/{filename}", hashes=(("sha256", HASH),))
    return PipPackage(name=name, version=version, wheels=(file,))


UV = wheel("uv", tag="py3-none-manylinux_2_17_x86_64")
RATTLER = wheel("py-rattler", tag="cp310-abi3-manylinux_2_17_x86_64")
LOCK = Lock(
    definition_hash="",
    platforms=("linux-64",),
    pip=(wheel("six"),),
    python=LockedPython(version="3.12", provider="apt"),
    base=LockedBase(reference="ubuntu:24.04", digest=DIGEST, distribution="ubuntu 24.04"),
    tools=(UV, RATTLER),
)
CONDA = CondaPackage(
    name="python",
    version="3.8.1",
    build="h_0",
    platform="linux-64",
    subdir="linux-64",
    channel="https://conda.example/channel",
    url="https://conda.example/channel/linux-64/python-3.8.1-h_0.conda",
    sha256=HASH,
)
CONDA_LOCK = replace(LOCK, conda=(CONDA,), python=LockedPython(version="3.8.1", provider="conda"))
DEFINITION = Definition(kind="requirements", name="demo", pip=(PipRequirement(text="six", name="six"),))
APP = App(
    files=(AppFile(path="/var/azureml-app/main.py", sha256="1", content=b"1"),),
    command=("python", "main.py"),
    port=5001,
    health="/",
)


def plan_of(definition: Definition = DEFINITION, lock: Lock = LOCK, app: App | None = None) -> Plan:
    return make_plan(definition, lock, app=app)


def rendered(definition: Definition = DEFINITION, lock: Lock = LOCK, app: App | None = None, **wishes: str) -> Context:
    return render(plan_of(definition, lock, app), options=RenderOptions(**wishes))  # type: ignore[arg-type]


def commands(context: Context) -> list[str]:
    return [one.cmd.upper() for one in go_parser.parse_string(context.dockerfile)]


HOSTILE = (
    "x\nRUN touch /hacked",
    "x\\\nRUN touch /hacked",
    "x\r\nRUN touch /hacked",
    "$(touch /hacked)",
    "`touch /hacked`",
    "${PATH}",
    '"; touch /hacked; "',
    "'; touch /hacked; '",
    "x\\",
    "x && touch /hacked",
    "--from=other",
    "<<EOF",
    "x # y",
    "{{ 7 * 7 }}",
    "{% for one in [] %}",
)
PLACES: dict[str, Callable[[str], Context]] = {
    "variable": lambda text: rendered(replace(DEFINITION, variables=(("NAME", text),))),
    "variable name": lambda text: rendered(replace(DEFINITION, variables=((text, "1"),))),
    "name": lambda text: rendered(replace(DEFINITION, name=text)),
    "version": lambda text: rendered(replace(DEFINITION, version=text)),
    "description": lambda text: rendered(replace(DEFINITION, description=text)),
    "distribution": lambda text: rendered(replace(DEFINITION, allow_distribution=(text,))),
    "base": lambda text: rendered(lock=replace(LOCK, base=LockedBase(reference=text, digest=DIGEST))),
    "digest": lambda text: rendered(lock=replace(LOCK, base=LockedBase(reference="a", digest=text))),
    "apt": lambda text: rendered(lock=replace(LOCK, apt=LockedApt(packages=(text,)))),
    "snapshot": lambda text: rendered(lock=replace(LOCK, apt=LockedApt(packages=("git",), snapshot=text))),
    "interpreter": lambda text: rendered(
        lock=replace(LOCK, python=LockedPython(version="3.12", provider="base", interpreter=text))
    ),
    "user's interpreter": lambda text: rendered(
        replace(DEFINITION, user_managed=True, interpreter_path=text), replace(LOCK, pip=(), python=None), APP
    ),
    "user's package": lambda text: rendered(
        replace(DEFINITION, user_managed=True, pip=(PipRequirement(text=text, name=text),)),
        replace(LOCK, pip=(), python=None),
    ),
    "index": lambda text: rendered(lock=replace(LOCK, index_url=text)),
    "find-links": lambda text: rendered(replace(DEFINITION, index=IndexOptions(find_links=(f"https://{text}",)))),
    "package": lambda text: rendered(lock=replace(LOCK, pip=(replace(wheel("six"), version=text),))),
    "app command": lambda text: rendered(app=replace(APP, command=("python", text))),
    "app file": lambda text: rendered(
        app=replace(APP, files=(replace(APP.files[0], path=f"/var/azureml-app/{text}"),))
    ),
    "app folder": lambda text: rendered(app=replace(APP, files=(replace(APP.files[0], path=f"/{text}/a/b"),))),
    "app variable": lambda text: rendered(app=replace(APP, variables=(("A", text),))),
    "app label": lambda text: rendered(app=replace(APP, labels=((text, text),))),
    "workdir": lambda text: rendered(app=replace(APP, workdir=text)),
    "health": lambda text: rendered(app=replace(APP, health=text)),
    "syntax": lambda text: rendered(syntax=text),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_adds_or_changes_an_instruction(place: str, text: str) -> None:
    harmless = "registry.example/a" if place in ("base", "syntax") else DIGEST if place == "digest" else "git"
    harmless = {
        "user's interpreter": "/bin/python",
        "interpreter": "/bin/python",
        "workdir": "/a",
        "snapshot": "2026",
    }.get(place, harmless)
    expected = commands(PLACES[place](harmless))
    try:
        context = PLACES[place](text)
    except EnvbuildError:
        return
    assert commands(context) == expected
    for one in go_parser.parse_string(context.dockerfile):
        if one.cmd.upper() == "RUN":
            assert "touch /hacked" not in unquoted(" ".join(one.value))


def unquoted(command: str) -> str:
    """Return `command` without what stands between single quotes: what a shell would act upon."""
    return "".join(command.replace("'\"'\"'", "").split("'")[::2])


def test_a_folder_named_like_an_option_is_no_option() -> None:
    context = rendered(app=replace(APP, files=(replace(APP.files[0], path="/var/azureml-app/--from=x/a"),)))
    copies = [line for line in context.dockerfile.splitlines() if line.startswith("COPY")]
    assert copies == ["COPY azureml-app/ /var/azureml-app/"]


def test_what_changes_least_stands_first() -> None:
    lock = replace(CONDA_LOCK, apt=LockedApt(packages=("libgomp1",)))
    text = rendered(lock=lock, app=APP).dockerfile
    marks = [
        "# checks",
        "# apt",
        "FROM envbuild-base AS envbuild-image",
        "COPY --from=envbuild-conda",
        "uv pip install",
    ]
    marks += ["COPY azureml-app/main.py", "ENV HOME", "LABEL", "USER 1000:1000", "ENTRYPOINT", "\nCMD"]
    assert [text.index(mark) for mark in marks] == sorted(text.index(mark) for mark in marks)


def test_each_step_sees_only_its_own_part_of_the_context() -> None:
    text = rendered(lock=CONDA_LOCK).dockerfile
    sources = [part.split(",")[0] for part in text.split("--mount=type=bind,source=")[1:]]
    assert set(sources) == {"envbuild/secrets.sh", "envbuild/tools", "envbuild/conda", "envbuild/pip"}


def test_a_changed_pin_changes_no_file_of_another_step() -> None:
    before = {one.path: one.content for one in rendered(lock=CONDA_LOCK).files}
    after = {one.path: one.content for one in rendered(lock=replace(CONDA_LOCK, pip=(wheel("six", "2.0"),))).files}
    assert {path for path in before if before[path] != after[path]} == {"envbuild/pip/requirements.txt"}


def test_every_requirement_has_the_hash_of_the_file_that_was_chosen() -> None:
    files = {one.path: one.content.decode() for one in rendered().files}
    assert files["envbuild/pip/requirements.txt"] == f"six==1.0 --hash=sha256:{HASH}\n"


def test_the_plain_dialect_has_no_mounts_and_no_secrets() -> None:
    context = rendered(lock=CONDA_LOCK, app=APP, dialect="plain")
    assert "--mount" not in context.dockerfile
    assert "--chmod" not in context.dockerfile
    assert "/run/secrets" not in context.dockerfile.replace("[ -r /run/secrets/ca.crt ]", "")
    assert context.secrets == ()


def test_without_a_session_there_are_mounts_but_no_secrets() -> None:
    context = rendered(lock=CONDA_LOCK, dialect="sessionless")
    assert "--mount=type=cache" in context.dockerfile
    assert "type=secret" not in context.dockerfile
    assert "secrets.sh" not in context.dockerfile
    assert context.secrets == ()


def test_the_buildkit_dialect_tells_its_secrets() -> None:
    assert rendered().secrets == ("ca", "netrc", "uv.toml")
    assert "pip.conf" in rendered(pip_installer="pip").secrets


def test_a_package_without_hash_is_refused() -> None:
    bare = replace(wheel("six"), wheels=(replace(wheel("six").wheels[0], hashes=()),))
    with pytest.raises(PlanError, match=r"six 1\.0 has no hash"):
        rendered(lock=replace(LOCK, pip=(bare,)))
    with pytest.raises(PlanError, match=r"python 3\.8\.1 has no hash"):
        rendered(lock=replace(CONDA_LOCK, conda=(replace(CONDA, sha256=""),)))


def test_a_folder_of_this_machine_is_refused() -> None:
    with pytest.raises(PlanError, match="six is the folder src/six"):
        rendered(lock=replace(LOCK, pip=(PipPackage(name="six", version="1", directory="src/six"),)))


def test_version_control_is_pinned_by_commit_and_apart_from_what_is_hashed() -> None:
    source = PipPackage(
        name="a", version="1", vcs=Vcs(type="git", url="https://git.example/a", commit="f" * 40, subdirectory="lib")
    )
    context = rendered(lock=replace(LOCK, pip=(source, wheel("six"))))
    files = {one.path: one.content.decode() for one in context.files}
    assert files["envbuild/pip/requirements-vcs.txt"] == f"a @ git+https://git.example/a@{'f' * 40}#subdirectory=lib\n"
    assert "a @" not in files["envbuild/pip/requirements.txt"]
    assert "COPY --from=envbuild-pip /opt/env /opt/env" in context.dockerfile


def test_the_tools_fit_the_stage_not_the_environments_python() -> None:
    files = {one.path: one.content.decode() for one in rendered(lock=CONDA_LOCK).files}
    assert "py_rattler-1.0-cp310-abi3" in files["envbuild/tools/tools.txt"]


def test_a_missing_installer_is_named() -> None:
    with pytest.raises(PlanError, match="does not hold py-rattler"):
        rendered(lock=replace(CONDA_LOCK, tools=(UV,)))
    with pytest.raises(PlanError, match="does not hold uv"):
        rendered(lock=replace(LOCK, tools=()), pip_installer="uv")


def test_without_uv_in_the_lock_pip_installs() -> None:
    assert "-m pip install --no-deps --require-hashes" in rendered(lock=replace(LOCK, tools=())).dockerfile


def test_uv_is_not_used_for_a_python_that_it_does_not_know() -> None:
    old = replace(LOCK, python=LockedPython(version="3.6", provider="base", interpreter="/usr/bin/python3.6"))
    assert "-m pip install" in rendered(lock=old).dockerfile


def test_a_release_whose_python_cannot_run_rattler_is_refused() -> None:
    lock = replace(CONDA_LOCK, base=replace(LOCK.base, distribution="ubuntu 20.04"))
    with pytest.raises(
        PlanError, match=r"ubuntu 20\.04 has Python 3\.8; the conda installer rattler needs Python 3\.10"
    ):
        rendered(lock=lock)
    assert (
        "conda create"
        in rendered(lock=replace(lock, conda=(replace(CONDA, md5="e" * 32),)), conda_installer="conda").dockerfile
    )


def test_bytecode_is_checked_by_hash_whatever_installs() -> None:
    for wishes in ({}, {"pip_installer": "pip"}, {"dialect": "plain"}):
        text = rendered(lock=CONDA_LOCK, **wishes).dockerfile
        for stage in text.split("\nFROM ")[1:]:
            if "pip install" in stage or "install_conda.py" in stage:
                assert "ARG SOURCE_DATE_EPOCH=315532800\n" in stage


def test_nothing_is_installed_where_the_user_manages() -> None:
    definition = replace(DEFINITION, user_managed=True, interpreter_path="/opt/py/bin/python")
    text = rendered(definition, replace(LOCK, pip=(), python=None)).dockerfile
    assert "/opt/py/bin/python /run/envbuild/checks/check_packages.py six" in text
    assert "apt-get" not in text
    assert "USER" not in text
    assert "/opt/env" not in text


def test_a_users_own_path_is_kept() -> None:
    text = rendered(replace(DEFINITION, variables=(("PATH", "/mine"),))).dockerfile
    assert [line for line in text.splitlines() if line.startswith("ENV PATH")] == ['ENV PATH="/mine"']


def test_the_steps_tell_who_asked_for_them() -> None:
    origin = Origin(file="requirements.txt", line=7)
    definition = replace(DEFINITION, pip=(PipRequirement(text="six", name="six", origin=origin),))
    steps = [step for step in rendered(definition, app=APP).steps if step.kind == "pip"]
    assert any("uv pip install" in step.text for step in steps)
    assert all(step.origins == (origin,) for step in steps)
    assert {step.kind for step in rendered(app=APP).steps} >= {"base", "checks", "apt", "pip", "files"}


def test_files_of_an_app_come_models_first(tmp_path: Path) -> None:
    paths = ("main.py", "src/score.py", "azureml-models/m/1/x", "b/c", "map.json")
    files = tuple(AppFile(path=f"/var/azureml-app/{path}", sha256="1", content=b"1") for path in paths)
    copies = [
        line for line in rendered(app=replace(APP, files=files)).dockerfile.splitlines() if line.startswith("COPY az")
    ]
    assert copies == [
        "COPY azureml-app/azureml-models/ /var/azureml-app/azureml-models/",
        "COPY azureml-app/b/ /var/azureml-app/b/",
        "COPY azureml-app/src/ /var/azureml-app/src/",
        "COPY azureml-app/main.py azureml-app/map.json /var/azureml-app/",
    ]


@pytest.mark.parametrize("path", ["/etc/passwd", "main.py", "/var/azureml-app/../../etc/x", "/opt/envbuild/x"])
def test_files_of_an_app_need_a_folder_of_their_own(path: str) -> None:
    with pytest.raises(PlanError):
        rendered(app=replace(APP, files=(replace(APP.files[0], path=path),)))


def test_a_users_template_changes_one_block_and_keeps_the_rest(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    template = '{% extends "envbuild/Dockerfile.j2" %}\n{% block apt %}\nRUN echo {{ prefix | sh }}\n{% endblock %}\n'
    (tmp_path / "t/Dockerfile.j2").write_text(template)
    ours = rendered().dockerfile
    theirs = render(plan_of(replace(DEFINITION, templates="t")), root=tmp_path).dockerfile
    gone, new = set(ours.splitlines()) - set(theirs.splitlines()), set(theirs.splitlines()) - set(ours.splitlines())
    assert new == {"RUN echo /opt/env"}
    assert "apt-get" in "\n".join(gone)
    assert all(instruction in theirs for instruction in ("mkdir -p /home/app", "uv pip install", "USER 1000:1000"))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{% block %}", "Dockerfile.j2:1"),
        ('{% extends "other.j2" %}', "template other.j2 is not there"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
    ],
)
def test_a_wrong_template_is_named_with_its_line(tmp_path: Path, template: str, message: str) -> None:
    (tmp_path / "Dockerfile.j2").write_text(template)
    with pytest.raises(PlanError, match=message):
        render(plan_of(replace(DEFINITION, templates=".")), root=tmp_path)


def test_an_own_dockerfile_is_the_first_stage_and_pinned() -> None:
    definition = replace(
        DEFINITION, base=Base(dockerfile="FROM ubuntu:24.04\nRUN true"), docker_steps=("RUN echo $HOME",)
    )
    text = rendered(definition).dockerfile
    assert f"FROM ubuntu:24.04@{DIGEST} AS envbuild-own\nRUN true" in text
    assert "FROM envbuild-own AS envbuild-base\n" in text
    assert text.index("RUN echo $HOME") < text.index("# checks")


OWN = PipFile(filename="mine-0.1-py3-none-any.whl", path="/cache/mine-0.1-py3-none-any.whl", hashes=(("sha256", HASH),))
CODE = (Code(folder=CodeFolder(path="."), package=PipPackage(name="mine", version="0.1", wheels=(OWN,)), sources=""),)


def with_code(lock: Lock = LOCK, **wishes: str) -> Context:
    return render(make_plan(DEFINITION, lock, code=CODE), options=RenderOptions(**wishes))  # type: ignore[arg-type]


def test_code_is_installed_by_its_hash_above_the_packages_and_from_nowhere_else() -> None:
    context = with_code()
    [line] = [one.content.decode() for one in context.files if one.path == "envbuild/code/requirements.txt"]
    assert line == f"mine==0.1 --hash=sha256:{HASH}\n"
    [wheel] = [one for one in context.files if one.path == f"envbuild/code/{OWN.filename}"]
    assert (str(wheel.source), wheel.sha256) == (OWN.path, HASH)
    text = context.dockerfile
    assert text.index("COPY --from=envbuild-pip /opt/env") < text.index("COPY --from=envbuild-code")
    [step] = [one.text for one in context.steps if one.kind == "code" and one.text.startswith("RUN")]
    assert "--no-deps --require-hashes --offline --no-index --find-links /run/envbuild/code" in step


def test_changed_code_changes_no_instruction_of_the_packages() -> None:
    other = replace(OWN, hashes=(("sha256", "ef" * 32),))
    code = (replace(CODE[0], package=replace(CODE[0].package, wheels=(other,))),)
    changed = render(make_plan(DEFINITION, LOCK, code=code))
    assert changed.dockerfile == with_code().dockerfile
    before = {one.path: one for one in with_code().files}
    assert {one.path for one in changed.files if before[one.path] != one} == {
        "envbuild/code/requirements.txt",
        f"envbuild/code/{OWN.filename}",
    }


@pytest.mark.parametrize("dialect", ["buildkit", "sessionless", "plain"])
@pytest.mark.parametrize("lock", [LOCK, replace(LOCK, pip=()), CONDA_LOCK, replace(CONDA_LOCK, pip=())])
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_code_is_installed_over_whatever_there_is(dialect: str, lock: Lock, installer: str) -> None:
    context = with_code(lock, dialect=dialect, pip_installer=installer)
    go_parser.parse_string(context.dockerfile)
    [below] = re.findall(r"FROM envbuild-(\w+) AS envbuild-code", context.dockerfile)
    assert f" AS envbuild-{below}\n" in context.dockerfile.partition("# code")[0]
    assert ("--mount=type=bind,source=envbuild/code" in context.dockerfile) == (dialect != "plain")
    assert ("COPY envbuild/code /run/envbuild/code" in context.dockerfile) == (dialect == "plain")
    assert f"{'uv' if installer == 'uv' else 'python -m'} pip install" in context.dockerfile.partition("# code")[2]

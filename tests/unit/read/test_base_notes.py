"""Azure's warning about packages of the base."""

from dataclasses import replace

import pytest

from envbuild.core.definition import Base, BuildContext, Definition, PipRequirement
from envbuild.read.base_notes import note_base_packages

ASKS = Definition(kind="pyproject", pip=(PipRequirement(text="six", name="six"),))


@pytest.mark.parametrize(
    "line",
    [
        "RUN pip install numpy",
        "RUN apt-get update && pip3.11 --no-cache-dir install -r /tmp/requirements.txt",
        "RUN python3 -m pip install 'torch==2'",
        "RUN conda install -y pip numpy && conda clean -a",
        "RUN conda env create -f /tmp/env.yml",
        "RUN uv pip install six",
    ],
)
def test_what_installs_python_packages_is_noted(line, tmp_path):
    for definition in (
        replace(ASKS, docker_steps=(line,)),
        replace(ASKS, base=Base(dockerfile=f"FROM ubuntu:22.04\n{line}\n")),
    ):
        [note] = note_base_packages(definition, tmp_path)
        assert line in note.message
        assert "does not see those" in note.message


@pytest.mark.parametrize(
    "line",
    [
        "RUN apt-get install -y python3-pip",
        "RUN pip install --upgrade pip setuptools",
        "# RUN pip install numpy",
        "RUN pip list",
    ],
)
def test_nothing_else_is(line, tmp_path):
    assert not list(note_base_packages(replace(ASKS, docker_steps=(line,)), tmp_path))


def test_who_manages_or_knows_the_base_is_not_told(tmp_path):
    steps = replace(ASKS, docker_steps=("RUN pip install numpy",))
    assert not list(note_base_packages(replace(steps, user_managed=True), tmp_path))
    assert not list(note_base_packages(replace(steps, base_packages=("numpy",)), tmp_path))
    assert not list(note_base_packages(replace(steps, pip=()), tmp_path))


def test_the_dockerfile_of_a_build_context_is_read(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c/Dockerfile").write_text("FROM ubuntu:22.04\nRUN pip install \\\n  numpy\nRUN pip install pandas\n")
    context = BuildContext(path="c", content_hash="1")
    [note] = note_base_packages(replace(ASKS, base=Base(context=context)), tmp_path)
    assert "RUN pip install pandas" in note.message
    gone = BuildContext(path="gone", content_hash="1")
    assert not list(note_base_packages(replace(ASKS, base=Base(context=gone)), tmp_path))

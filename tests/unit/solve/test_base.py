"""The base image: which one is meant, and what its files say."""

from __future__ import annotations

import pytest

from envbuild.core.definition import Base, BuildContext, Definition, Origin
from envbuild.core.errors import DefinitionError, PlanError
from envbuild.core.lock import LockedBase
from envbuild.core.progress import Progress
from envbuild.solve.base import (
    BaseFacts,
    BaseQuestion,
    check_base,
    image_reference,
    look_at_base,
)
from envbuild.solve.base_contents import Contents, from_configuration, from_files
from envbuild.solve.base_name import base_reference, is_stock, last_stage_image
from envbuild.solve.python import FoundPython

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("dockerfile", "image"),
    [
        ("FROM ubuntu:22.04\nRUN true\n", "ubuntu:22.04"),
        ("from --platform=linux/amd64 ubuntu:22.04 as Build\nFROM debian:12\nFROM build\n", "ubuntu:22.04"),
        (f"# FROM nothing\n  FROM a/b@{DIGEST} AS x\n", f"a/b@{DIGEST}"),
        ("ARG TAG=1\nFROM ubuntu:${TAG}\n", ""),
        ("FROM scratch\n", ""),
        ("", ""),
    ],
)
def test_the_last_stage_of_a_dockerfile_decides(dockerfile, image):
    assert last_stage_image(dockerfile) == image


def test_the_reference_is_the_one_written_else_a_dockerfiles_else_the_default(tmp_path):
    (tmp_path / "ctx").mkdir()
    (tmp_path / "ctx" / "Dockerfile.x").write_text("FROM debian:12\n")
    context = BuildContext(path="ctx", dockerfile_path="Dockerfile.x")
    bases = {
        "team/base:1": Base(image="team/base:1"),
        "ubuntu:20.04": Base(dockerfile="FROM ubuntu:20.04\n"),
        "debian:12": Base(context=context),
        "ubuntu:22.04": Base(),
    }
    for reference, base in bases.items():
        assert base_reference(Definition(kind="x", base=base, python="3.10"), tmp_path) == reference


@pytest.mark.parametrize(
    ("reference", "stock"),
    [
        ("ubuntu:22.04", True),
        (f"docker.io/library/ubuntu@{DIGEST}", True),
        ("debian", True),
        ("team/ubuntu:22.04", False),
        ("registry.example:5000/ubuntu:22.04", False),
    ],
)
def test_only_a_distributions_own_image_is_known_to_hold_no_python(reference, stock):
    assert is_stock(reference) is stock


def test_a_registry_of_the_definition_is_put_in_front():
    question = BaseQuestion(reference="team/base:1", registry="https://registry.example:5000/")
    assert str(image_reference(question, DIGEST)) == f"registry.example:5000/team/base:1@{DIGEST}"


def test_files_tell_distribution_pythons_and_conda():
    names = [
        "/usr/bin/python3.10",
        "/usr/bin/python3.10-config",
        "/opt/conda/bin/python3.11",
        "/opt/conda/conda-meta/python-3.11.5-h955ad1f_0.json",
        "/opt/conda/conda-meta/conda-23.9.0-py311h06a4308_0.json",
        "/opt/conda/conda-meta/conda-content-trust-0.2.0-py311_0.json",
        "/usr/local/lib/python3.11/site-packages/pip-24.0.dist-info/METADATA",
        "/usr/local/lib/python3.11/site-packages/Scikit_Learn-1.5.0.dist-info/METADATA",
    ]
    assert from_files(names, 'ID=ubuntu\nVERSION_ID="22.04"\n') == Contents(
        distribution="ubuntu 22.04",
        pythons=(
            FoundPython(version="3.11.5", interpreter="/opt/conda/bin/python3.11"),
            FoundPython(version="3.10", interpreter="/usr/bin/python3.10"),
        ),
        conda="23.9.0",
        packages=("scikit-learn",),
    )


def test_a_configuration_promises_what_labels_and_variables_say():
    config = {
        "Labels": {"org.opencontainers.image.ref.name": "ubuntu", "org.opencontainers.image.version": "22.04"},
        "Env": ["PATH=/usr/bin", "PYTHON_VERSION=3.11.9"],
    }
    assert from_configuration({"config": config}) == Contents(
        distribution="ubuntu 22.04",
        pythons=(FoundPython(version="3.11.9", interpreter="/usr/local/bin/python3.11"),),
    )
    assert from_configuration({}) == Contents()


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (Contents(conda="4.4.1"), "has conda 4.4.1; conda 4.5 or later is needed"),
        (
            Contents(pythons=(FoundPython(version="3.4.2", interpreter="/usr/bin/python3.4"),)),
            "has Python 3.4.2; Python 3.5 or later is needed",
        ),
    ],
)
def test_what_is_too_old_is_refused(contents, message):
    asked = Definition(kind="x", user_managed=True, interpreter_path="/usr/bin/python3.4")
    with pytest.raises(PlanError, match=message):
        check_base(asked, BaseFacts(locked=LockedBase(reference="b"), contents=contents))


def test_another_distribution_passes_only_by_its_name():
    facts = BaseFacts(locked=LockedBase(reference="b", distribution="debian 12"))
    check_base(Definition(kind="x", allow_distribution=("debian",)), facts)
    with pytest.raises(PlanError, match="is debian 12"):
        check_base(Definition(kind="x"), facts)


def test_a_digest_that_is_written_needs_no_registry():
    question = BaseQuestion(reference=f"registry.example/ubuntu:22.04@{DIGEST}", read=False)
    locked = look_at_base(question, Progress()).locked
    assert (locked.digest, locked.distribution) == (DIGEST, "ubuntu 22.04")


def test_offline_an_engine_may_still_know_the_digest():
    question = BaseQuestion(reference="ubuntu:22.04", offline=True, inspect=lambda _: DIGEST)
    assert look_at_base(question, Progress()).locked.digest == DIGEST


def test_no_base_is_no_question():
    assert look_at_base(BaseQuestion(reference=""), Progress()) == BaseFacts(locked=LockedBase())


def test_a_dockerfile_that_starts_from_no_image_reference_is_refused_with_its_line(tmp_path):
    text = "ARG A=1\nFROM python:3.11 AS first\nFROM Not/Valid AS last\nFROM last\n"
    origin = Origin(file="env.yml", line=2, key="build.dockerfile")
    inline = Definition(kind="azure-v2", name="x", base=Base(dockerfile=text), origin=origin)
    with pytest.raises(
        DefinitionError, match=r"env.yml:2: build.dockerfile: line 3 of its Dockerfile: image reference"
    ):
        base_reference(inline, tmp_path)
    (tmp_path / "ctx").mkdir()
    (tmp_path / "ctx/Dockerfile").write_text(text)
    context = BuildContext(path="ctx", dockerfile_path="Dockerfile")
    with pytest.raises(DefinitionError, match=r"ctx/Dockerfile:3: image reference 'Not/Valid'") as refused:
        base_reference(Definition(kind="azure-v2", name="x", base=Base(context=context), origin=origin), tmp_path)
    assert refused.value.problems[0].hint


@pytest.mark.parametrize("image", ["base:{{latest-image-tag}}", "<registry>/base:1", "${BASE}", "$BASE:1"])
def test_a_name_that_is_filled_in_later_is_not_known(image):
    assert last_stage_image(f"FROM {image}\n") == ""

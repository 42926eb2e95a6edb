import pytest

from envbuild.core.bases import (
    apt_python,
    check_distribution,
    check_version,
    default_image,
    known_distribution,
    parse_os_release,
)
from envbuild.core.errors import PlanError


@pytest.mark.parametrize("distribution", ["ubuntu 16.04", "ubuntu 22.04", "ubuntu 26.04"])
def test_ubuntu_from_16_04_is_supported(distribution):
    check_distribution(distribution, (), "base")


@pytest.mark.parametrize("distribution", ["ubuntu 14.04", "debian 12", "alpine 3.20", "", "ubuntu"])
def test_anything_else_is_refused_by_name(distribution):
    with pytest.raises(PlanError, match=r"Ubuntu 16\.04 or later is needed"):
        check_distribution(distribution, (), "base.example/x:1")


def test_a_distribution_is_allowed_by_name():
    check_distribution("debian 12", ("debian",), "base")


def test_versions_are_compared_as_numbers():
    check_version("conda", "4.10.3", (4, 5), "base")
    with pytest.raises(PlanError, match=r"has conda 4\.4\.11; conda 4\.5 or later is needed"):
        check_version("conda", "4.4.11", (4, 5), "base")


def test_os_release_is_read_with_and_without_quotes():
    assert parse_os_release('NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="22.04"\n') == "ubuntu 22.04"
    assert parse_os_release("ID=debian\nVERSION_ID=12\n") == "debian 12"
    assert parse_os_release("") == ""


@pytest.mark.parametrize(
    ("reference", "distribution"),
    [
        ("ubuntu:22.04", "ubuntu 22.04"),
        ("registry.example:5000/library/ubuntu:24.04@sha256:00", "ubuntu 24.04"),
        ("debian:12-slim", "debian 12"),
        ("images.example/azureml/openmpi4.1.0-ubuntu22.04:20251130.v1", "ubuntu 22.04"),
        ("python:3.11", ""),
        ("ubuntu", ""),
    ],
)
def test_well_known_images_tell_their_distribution(reference, distribution):
    assert known_distribution(reference) == distribution


def test_the_default_base_has_the_python_where_a_release_has_it():
    assert [default_image(one) for one in ("3.10", "3.12", "3.11")] == ["ubuntu:22.04", "ubuntu:24.04", "ubuntu:24.04"]
    assert apt_python("ubuntu 22.04") == "3.10"
    assert apt_python("alpine 3") == ""

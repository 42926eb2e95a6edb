"""Which distribution a conda package holds."""

from __future__ import annotations

import pytest

from envbuild.core.lock import CondaPackage
from envbuild.core.names import normalize
from envbuild.solve.conda import CondaAnswer
from envbuild.solve.names import NO_DISTRIBUTION, RENAMED, conda_name, pep440, provided


def package(name, version="1.0", *depends, noarch=""):
    return CondaPackage(
        name=name,
        version=version,
        build="0",
        platform="linux-64",
        subdir="noarch" if noarch else "linux-64",
        channel="c",
        url=f"https://conda.example/c/linux-64/{name}-{version}-0.conda",
        depends=depends,
        noarch=noarch,
    )


def answer(*packages, **purls):
    return CondaAnswer(platform="linux-64", packages=packages, purls=purls)


def test_a_package_that_needs_python_holds_the_distribution_of_its_name():
    found = provided(answer(package("Ruamel_Yaml".lower(), "0.18", "python >=3.11,<3.12.0a0")))
    assert found == {"ruamel-yaml": "0.18"}


@pytest.mark.parametrize("depends", ["python_abi 3.11.* *_cp311", "conda-forge::python >=3.8", "python[version='>=3']"])
def test_every_way_to_need_python_counts(depends):
    assert provided(answer(package("foo", "1.0", depends))) == {"foo": "1.0"}


def test_a_noarch_python_package_counts_without_dependencies():
    assert provided(answer(package("foo", noarch="python"))) == {"foo": "1.0"}


def test_a_library_holds_none():
    assert provided(answer(package("zlib", "1.3", "libgcc >=13"), package("tzdata", noarch="generic"))) == {}


def test_other_names_come_from_the_table():
    found = provided(answer(package("pytorch", "2.1.0"), package("matplotlib-base", "3.8"), package("msgpack-python")))
    assert found == {"matplotlib": "3.8", "msgpack": "1.0", "torch": "2.1.0"}


def test_a_purl_of_the_record_is_believed_before_anything_else():
    found = provided(answer(package("odd", "1.0"), odd=("pkg:pypi/Even.Name@1.0.post1", "pkg:pypi/other")))
    assert found == {"even-name": "1.0.post1", "other": "1.0"}


def test_python_itself_and_tools_are_no_distributions():
    packages = [package(name, "1.0", "python") for name in ("python", "python_abi", "gdb", "glib")]
    assert provided(answer(*packages)) == {}


def test_the_way_back_to_conda():
    whole = answer(package("pytorch"), package("flask", "3.0", "python"))
    assert conda_name("torch", whole) == "pytorch"
    assert conda_name("flask", whole) == "flask"
    assert conda_name("django", whole) == ""


@pytest.mark.parametrize(
    ("conda", "expected"),
    [
        ("1.2.3", "1.2.3"),
        ("1.1_2", "1.1.2"),
        ("2023c", "2023c"),
        ("1.1.1w", "1.1.1"),
        ("9e", "9"),
        ("1!2.0", "1!2.0"),
        ("x", ""),
    ],
)
def test_versions_become_pep_440(conda, expected):
    from packaging.version import InvalidVersion, Version

    found = pep440(conda)
    assert found == expected or Version(found)
    if found:
        try:
            Version(found)
        except InvalidVersion:
            pytest.fail(f"{found} is not PEP 440")


def test_the_table_is_short_normalised_and_says_nothing_needless():
    assert len(RENAMED) <= 150
    for conda, distribution in RENAMED.items():
        assert (normalize(conda), normalize(distribution)) == (conda, distribution)
        assert conda != distribution
    assert not set(RENAMED) & NO_DISTRIBUTION

import json
import re
import uuid
from dataclasses import replace

from hypothesis import HealthCheck, given, settings

from envbuild.core.lock import LockedApt, LockedBase
from envbuild.formats.cyclonedx import write_cyclonedx
from tests.unit.core.values import code
from tests.unit.formats.locks import conda_package, digest, locks, small_lock

relaxed = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@relaxed
@given(lock=locks())
def test_references_are_unique_and_resolve(lock):
    bom = json.loads(write_cyclonedx(lock))
    refs = [one["bom-ref"] for one in bom["components"]]
    assert len(refs) == len(set(refs))
    known = {*refs, bom["metadata"]["component"]["bom-ref"]}
    assert [one["ref"] for one in bom["dependencies"]] == sorted(known)
    for one in bom["dependencies"]:
        targets = one.get("dependsOn", [])
        assert len(targets) == len(set(targets))
        assert set(targets) <= known


@relaxed
@given(lock=locks())
def test_every_package_is_reached_from_the_environment(lock):
    bom = json.loads(write_cyclonedx(lock))
    edges = {one["ref"]: one.get("dependsOn", []) for one in bom["dependencies"]}
    reached, waiting = set(), ["environment"]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting.extend(edges[ref])
    assert reached == set(edges)


def test_own_code_and_known_licences_are_in_it():
    lock = small_lock()
    mine = replace(code("mine"), license="MIT")
    known = {(one.name, one.version): "Apache-2.0" for one in lock.pip}
    bom = json.loads(write_cyclonedx(lock, code=[mine], licenses=known))
    [own] = [one for one in bom["components"] if one["name"] == "mine"]
    assert own["licenses"] == [{"license": {"id": "MIT"}}]
    assert own["hashes"] == [{"alg": "SHA-256", "content": mine.package.wheels[0].sha256}]
    assert "purl" not in own
    [root] = [one for one in bom["dependencies"] if one["ref"] == "environment"]
    assert own["bom-ref"] in root["dependsOn"]
    pip = [one["licenses"] for one in bom["components"] if one.get("purl", "").startswith("pkg:pypi")]
    assert pip
    assert all(one == [{"license": {"id": "Apache-2.0"}}] for one in pip)


def test_the_serial_number_is_made_of_the_content():
    first, again = write_cyclonedx(small_lock()), write_cyclonedx(small_lock())
    other = write_cyclonedx(small_lock(conda=()))
    assert first == again
    serial = json.loads(first)["serialNumber"]
    assert uuid.UUID(serial.removeprefix("urn:uuid:")).version == 5
    assert serial != json.loads(other)["serialNumber"]
    assert "timestamp" not in first


def test_a_conda_package_has_purl_hashes_and_licence():
    lock = small_lock(conda=(conda_package("numpy", license="BSD-3-Clause"),), pip=())
    (component,) = json.loads(write_cyclonedx(lock))["components"]
    assert component["purl"] == (
        "pkg:conda/numpy@1.26.4?build=h1_0&channel=https://conda.example/channel&subdir=linux-64&type=conda"
    )
    assert [one["alg"] for one in component["hashes"]] == ["MD5", "SHA-256"]
    assert component["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]


def test_licences_are_identifiers_expressions_or_names():
    texts = {"mit": {"license": {"id": "MIT"}}, "MIT OR Apache-2.0": {"expression": "MIT OR Apache-2.0"}}
    texts["Public Domain?"] = {"license": {"name": "Public Domain?"}}
    for text, expected in texts.items():
        lock = small_lock(conda=(conda_package(license=text),), pip=())
        assert json.loads(write_cyclonedx(lock))["components"][0]["licenses"] == [expected]


def test_base_and_apt_packages_are_components():
    lock = small_lock(
        conda=(),
        pip=(),
        base=LockedBase(
            reference="registry.example/ubuntu:22.04", digest=f"sha256:{digest('b')}", distribution="ubuntu 22.04"
        ),
        apt=LockedApt(packages=("git=1:2.34.1-1ubuntu1",)),
    )
    base, apt = json.loads(write_cyclonedx(lock))["components"]
    assert (base["type"], base["version"]) == ("container", f"sha256:{digest('b')}")
    assert apt["purl"] == "pkg:deb/ubuntu/git@1%3A2.34.1-1ubuntu1"
    assert re.fullmatch(r"pkg:[a-z]+/\S+", apt["purl"])

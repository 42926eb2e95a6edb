"""What an index attests of its files (PEP 740), with attestations and a root of trust of our own making."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sigstore")
pytest.importorskip("pypi_attestations")

from envbuild.cli.main import run
from envbuild.core.definition import IndexOptions, IndexPin
from envbuild.core.errors import IntegrityError
from envbuild.core.lock import Lock, PipFile, PipPackage
from envbuild.net.http import HttpClient, Patience
from envbuild.solve.attestations import Attested, verify_attestations
from envbuild.solve.indexes import IndexAccess, index_access
from tests.support.index import Index
from tests.support.sigstore import Sigstore

REPOSITORY = "team/lib"


@pytest.fixture
def ours(tmp_path, monkeypatch):
    sigstore = Sigstore()
    monkeypatch.setenv("ENVBUILD_SIGSTORE_ROOT", str(sigstore.write_root(tmp_path / "root.json")))
    return sigstore


@pytest.fixture
def lib(index):
    return index.add("lib", "1.0", requires=["plain"]), index.add("plain", "1.0")


def provenance(*attestations, repository: str = REPOSITORY, kind: str = "GitHub") -> dict[str, object]:
    publisher = {"kind": kind, "repository": repository, "workflow": "release.yml", "claims": None}
    return {"version": 1, "attestation_bundles": [{"publisher": publisher, "attestations": list(attestations)}]}


def attest(index, sigstore, release, **changed):
    made = sigstore.attestation(release.file_name, release.sha256, repository=REPOSITORY, **changed)
    return index.attest(release, provenance(made))


def definition(folder, index, policy: object = None) -> str:
    lines = [
        "[tool.envbuild]",
        'base = "127.0.0.1:9/library/debian:12"',
        'allow-distribution = ["debian"]',
        'pip = ["lib"]',
    ]
    lines.append(f'index-url = "{index.url}"')
    if policy is not None:
        table = (
            json.dumps(policy)
            if isinstance(policy, str)
            else "{" + ", ".join(f'"{k}" = "{v}"' for k, v in policy.items()) + "}"
        )
        lines.append(f"attestations = {table}")
    (folder / "pyproject.toml").write_text("\n".join(lines) + "\n")
    return str(folder / "pyproject.toml")


def lock(path: str, *words: str) -> int:
    return run(["lock", path, *words])


def judge(index, policy: str | dict[str, str] = "verify", access: IndexAccess | None = None) -> tuple[Attested, ...]:
    """Verify a lock of all that the index has, past the solve."""
    packages = [
        PipPackage(
            name=one.name,
            version=one.version,
            wheels=(PipFile(filename=one.file_name, url=index.file_url(one), hashes=(("sha256", one.sha256),)),),
        )
        for one in index.releases
    ]
    wishes = tuple(policy.items()) if isinstance(policy, dict) else (("*", policy),)
    access = access or index_access(IndexOptions(index_url=index.url), Path(), {})
    found = Lock(definition_hash="", platforms=("linux-64",), pip=tuple(packages))
    return verify_attestations(found, wishes, access, HttpClient(patience=Patience(attempts=1)))


def test_an_attestation_that_holds_is_told_with_its_publisher(tmp_path, index, lib, ours, capsys):
    attest(index, ours, lib[0])
    path = definition(tmp_path, index, {"*": "verify", "lib": "github:team/lib"})
    assert lock(path) == 0
    assert "lib 1.0 is attested by github:team/lib" in capsys.readouterr().err
    asked = len(index.requests)
    assert lock(path, "--offline") == 0  # what was verified once is remembered
    assert len(index.requests) == asked


def test_without_a_policy_nothing_is_asked(tmp_path, index, lib, ours):
    index.attest(lib[0], {"nonsense": True})
    assert lock(definition(tmp_path, index)) == 0
    assert not [one for one in index.requests if "integrity" in str(one)]


def test_what_is_required_and_not_offered_is_no_lock(tmp_path, index, lib, ours, capsys):
    attest(index, ours, lib[0])
    path = definition(tmp_path, index)
    assert lock(path, "--attestations", "require") == 9
    said = capsys.readouterr().err
    assert "plain-1.0-py3-none-any.whl: its index offers no attestation" in said
    assert "lib-1.0" not in said
    assert not (tmp_path / "pylock.toml").exists()
    assert lock(path, "--attestations", "verify") == 0
    assert lock(definition(tmp_path, index, {"*": "require", "plain": "off"})) == 0


def test_another_publisher_than_the_definition_names_is_refused(index, lib, ours):
    attest(index, ours, lib[0])
    with pytest.raises(IntegrityError, match="is attested by github:team/lib, not by github:team/other"):
        judge(index, {"lib": "github:team/other"})


def test_an_index_cannot_name_another_publisher_than_the_certificate(index, lib, ours):
    made = ours.attestation(lib[0].file_name, lib[0].sha256, repository="evil/fork")
    index.attest(lib[0], provenance(made))
    with pytest.raises(IntegrityError, match="the attestation of github:team/lib is wrong"):
        judge(index)


@pytest.mark.parametrize(
    "case",
    [
        ({"subject": [{"name": "lib-1.0-py3-none-any.whl", "digest": {"sha256": "0" * 64}}]}, "is about other bytes"),
        ({"subject": []}, "is about other bytes"),
        ({"subject": "x"}, "is about other bytes"),
        ({"predicateType": "https://example.invalid/x"}, "is of another kind"),
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "no in-toto statement"),
    ],
)
def test_a_signed_statement_about_something_else_is_refused(index, lib, ours, case):
    changed, said = case
    attest(index, ours, lib[0], **changed)
    with pytest.raises(IntegrityError, match=said):
        judge(index)


def test_an_attestation_of_another_file_name_is_refused(index, lib, ours):
    subject = [{"name": "other-1.0-py3-none-any.whl", "digest": {"sha256": lib[0].sha256}}]
    attest(index, ours, lib[0], subject=subject)
    with pytest.raises(IntegrityError, match="is about other-1"):
        judge(index)


def test_a_pinned_name_is_asked_of_its_own_index(index, lib, ours):
    with Index() as other:
        attest(index, ours, lib[0])
        access = index_access(
            IndexOptions(index_url=other.url, pins=(IndexPin(name="lib", url=index.url),)), Path(), {}
        )
        [found] = judge(index, "verify", access)
        assert found.publishers == ("github:team/lib",)
        assert "/simple/lib/" not in other.paths()


def test_another_root_of_trust_does_not_vouch(index, lib, ours):
    attest(index, Sigstore(), lib[0])
    with pytest.raises(IntegrityError, match="is wrong"):
        judge(index)


def test_an_expired_certificate_does_not_vouch(index, lib, ours):
    made = ours.attestation(lib[0].file_name, lib[0].sha256, repository=REPOSITORY)
    entry = made["verification_material"]["transparency_entries"][0]
    entry["integratedTime"] = str(int(entry["integratedTime"]) + 86_400)
    index.attest(lib[0], provenance(made))
    with pytest.raises(IntegrityError):
        judge(index)


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {},
        {"version": 2, "attestation_bundles": []},
        {"version": 1, "attestation_bundles": []},
        provenance(),
        provenance({}),
    ],
)
def test_what_is_no_provenance_is_refused(index, lib, ours, odd):
    index.attest(lib[0], odd)
    with pytest.raises(IntegrityError):
        judge(index)


def test_any_part_of_an_attestation_that_is_changed_is_refused(index, lib, ours):
    made = ours.attestation(lib[0].file_name, lib[0].sha256, repository=REPOSITORY)
    for part, name in (("envelope", "statement"), ("envelope", "signature"), ("verification_material", "certificate")):
        changed = json.loads(json.dumps(made))
        changed[part][name] = changed[part][name][:-12] + "AAAAAAAA" + changed[part][name][-4:]
        index.releases[:] = [replace(one, provenance="") for one in index.releases]
        index.attest(next(one for one in index.releases if one.name == "lib"), provenance(changed))
        with pytest.raises(IntegrityError):
            judge(index)


@pytest.mark.parametrize("policy", ["maybe", {"lib": "github:x"}, {"": "verify"}, {"lib": "github:../.. x"}])
def test_a_policy_that_is_none_is_refused(tmp_path, index, policy, capsys):
    assert lock(definition(tmp_path, index, policy)) == 3
    assert "tool.envbuild.attestations" in capsys.readouterr().err

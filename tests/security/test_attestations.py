"""What is attested is what was signed, of exactly these bytes, by exactly this key or identity: held against other readers too."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("securesystemslib")
pytest.importorskip("sigstore")

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from envbuild import programs
from envbuild.cli.main import run
from tests.support.sigstore import GITHUB, Sigstore

LOCK = """\
lock-version = "1.0"
created-by = "envbuild"
requires-python = ">=3.11"

[[packages]]
name = "six"
version = "1.17.0"
wheels = [{name = "six-1.17.0-py2.py3-none-any.whl", url = "https://files.example/six-1.17.0-py2.py3-none-any.whl", hashes = {sha256 = "%s"}}]
""" % ("a" * 64)
KEYS = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}


def write_keys(folder: Path, name: str, key, password: bytes = b"") -> tuple[str, str]:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form, pem = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    (folder / f"{name}.pem").write_bytes(key.private_bytes(pem, form, encryption))
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub").write_bytes(public)
    return str(folder / f"{name}.pem"), str(folder / f"{name}.pub")


@pytest.fixture
def lock(tmp_path, monkeypatch):
    monkeypatch.delenv("ENVBUILD_SIGNING_KEY", raising=False)
    (tmp_path / "pylock.toml").write_text(LOCK)
    return tmp_path / "pylock.toml"


def attested(lock: Path, *words: str) -> Path:
    path = lock.with_name(f"{lock.name}.intoto.jsonl")
    assert run(["attest", str(lock), "-o", str(path), *words]) == 0
    return path


def statements(path: Path) -> list[dict]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [json.loads(base64.b64decode(one["payload"])) if "payload" in one else one for one in lines]


@pytest.mark.parametrize("kind", KEYS)
def test_what_a_key_signs_its_public_half_verifies(lock, tmp_path, capsys, kind):
    private, public = write_keys(tmp_path, kind, KEYS[kind]())
    attested(lock, "--key", private)
    assert run(["verify", str(lock), "--key", public, "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [one["says"] for one in said["attested"]] == ["provenance", "bill of materials"]
    other = write_keys(tmp_path, "other", KEYS[kind]())[1]
    assert run(["verify", str(lock), "--key", other]) == 9
    assert "is not signed with this key" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KEYS)
def test_the_signature_is_dsses_judged_without_our_library(lock, tmp_path, kind):
    key = KEYS[kind]()
    envelopes = attested(lock, "--key", write_keys(tmp_path, kind, key)[0]).read_text().splitlines()
    for line in map(json.loads, envelopes):
        payload, kind_ = base64.b64decode(line["payload"]), line["payloadType"].encode()
        signed = b"DSSEv1 %d %b %d %b" % (len(kind_), kind_, len(payload), payload)
        signature = base64.b64decode(line["signatures"][0]["sig"])
        public = key.public_key()
        if kind == "ed25519":
            arguments = (signature, signed)
        elif kind == "rsa":
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
            arguments = (signature, signed, pss, hashes.SHA256())
        else:
            arguments = (signature, signed, ec.ECDSA(hashes.SHA384() if kind == "p384" else hashes.SHA256()))
        public.verify(*arguments)
        with pytest.raises(InvalidSignature):
            public.verify(arguments[0], b"x" + signed, *arguments[2:])


def test_the_statements_name_the_lock_by_its_bytes_and_are_the_same_every_time(lock):
    made, materials = statements(attested(lock))
    for one in (made, materials):
        assert one["_type"] == "https://in-toto.io/Statement/v1"
        assert one["subject"] == [
            {"name": "pylock.toml", "digest": {"sha256": hashlib.sha256(lock.read_bytes()).hexdigest()}}
        ]
    assert made["predicateType"] == "https://slsa.dev/provenance/v1"
    assert materials["predicate"]["specVersion"] == "1.6"
    assert [one["name"] for one in materials["predicate"]["components"] if one["type"] == "library"] == ["six"]
    first = attested(lock).read_bytes()
    assert attested(lock).read_bytes() == first


@pytest.mark.parametrize(
    "change",
    [
        lambda one: {**one, "payload": base64.b64encode(b'{"_type":"https://in-toto.io/Statement/v1"}').decode()},
        lambda one: {**one, "payloadType": "text/plain"},
        lambda one: {**one, "signatures": []},
        lambda one: {**one, "signatures": "x"},
        lambda one: {**one, "signatures": [{}]},
        lambda one: {**one, "signatures": [{"sig": 5, "keyid": []}]},
        lambda one: {**one, "signatures": [None]},
        lambda one: {**one, "payload": 7},
        lambda one: {"dsseEnvelope": one},
        lambda _: {"payload": {}},
        lambda _: [],
    ],
)
def test_a_changed_envelope_is_refused(lock, tmp_path, capsys, change):
    private, public = write_keys(tmp_path, "a", KEYS["ed25519"]())
    path = attested(lock, "--key", private)
    first, second = path.read_text().splitlines()
    path.write_text(f"{json.dumps(change(json.loads(first)))}\n{second}\n")
    assert run(["verify", str(lock), "--key", public]) == 9
    assert f"{path.name}:1: is " in capsys.readouterr().err


def test_other_bytes_than_those_attested_are_refused(lock, tmp_path, capsys):
    private, public = write_keys(tmp_path, "a", KEYS["p256"]())
    attested(lock, "--key", private)
    lock.write_text(LOCK.replace("1.17.0", "1.16.0"))
    assert run(["verify", str(lock), "--key", public]) == 9
    assert "is about other bytes" in capsys.readouterr().err


def test_unsigned_statements_are_no_attestations(lock, tmp_path, capsys):
    attested(lock)
    assert run(["verify", str(lock), "--key", write_keys(tmp_path, "a", KEYS["p256"]())[1]]) == 9
    assert "is no attestation" in capsys.readouterr().err


def test_where_nothing_is_attested_that_is_said(lock, tmp_path, capsys):
    assert run(["verify", str(lock), "--key", write_keys(tmp_path, "a", KEYS["p256"]())[1]]) == 9
    assert "nothing is attested" in capsys.readouterr().err
    attested(lock).write_text("\n")
    assert run(["verify", str(lock), "--key", str(tmp_path / "a.pub")]) == 9


def test_an_encrypted_key_takes_its_password_from_the_environment(lock, tmp_path, monkeypatch, capsys):
    private, public = write_keys(tmp_path, "a", KEYS["p256"](), b"s3cret-pass")
    assert run(["attest", str(lock), "--key", private]) == 12
    assert "set ENVBUILD_SIGNING_KEY_PASSWORD" in capsys.readouterr().err
    monkeypatch.setenv("ENVBUILD_SIGNING_KEY_PASSWORD", "wrong-pass")
    assert run(["attest", str(lock), "--key", private]) == 12
    assert "wrong-pass" not in capsys.readouterr().err
    monkeypatch.setenv("ENVBUILD_SIGNING_KEY_PASSWORD", "s3cret-pass")
    monkeypatch.setenv("ENVBUILD_SIGNING_KEY", private)
    assert "s3cret" not in attested(lock).read_text()
    assert run(["verify", str(lock), "--key", public]) == 0


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN PRIVATE KEY-----\nSECRETBYTES\n-----END PRIVATE KEY-----\n"])
def test_a_file_that_is_no_key_is_refused_without_its_content(lock, tmp_path, capsys, text):
    (tmp_path / "bad").write_text(text)
    assert run(["attest", str(lock), "--key", str(tmp_path / "bad")]) == 12
    assert run(["verify", str(lock), "--key", str(tmp_path / "bad")]) == 12
    assert "SECRETBYTES" not in capsys.readouterr().err


WORKFLOW = "https://github.com/team/app/.github/workflows/lock.yml@refs/heads/main"


@pytest.fixture
def ours(tmp_path):
    sigstore = Sigstore()
    return sigstore, str(sigstore.write_root(tmp_path / "root.json"))


def bundled(sigstore: Sigstore, lock: Path, **who: str) -> Path:
    path = attested(lock)
    lines = [line.encode() for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(sigstore.bundle(one, **{"identity": WORKFLOW, **who})) + "\n" for one in lines))
    return path


def test_an_identity_of_sigstores_is_verified_against_a_root_of_trust(lock, ours, capsys):
    sigstore, root = ours
    bundled(sigstore, lock)
    who = ["--identity", WORKFLOW, "--issuer", GITHUB, "--root", root]
    assert run(["verify", str(lock), *who]) == 0
    assert f"provenance, signed by identity {WORKFLOW}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("identity", "issuer"), [(f"{WORKFLOW}x", GITHUB), (WORKFLOW, "https://accounts.example"), ("", GITHUB)]
)
def test_another_identity_or_issuer_is_refused(lock, ours, identity, issuer):
    sigstore, root = ours
    bundled(sigstore, lock)
    wanted = ["--identity", identity, "--issuer", issuer, "--root", root]
    assert run(["verify", str(lock), *wanted]) == (9 if identity else 2)


def test_another_root_of_trust_is_refused(lock, ours, tmp_path):
    bundled(Sigstore(), lock)
    assert run(["verify", str(lock), "--identity", WORKFLOW, "--issuer", GITHUB, "--root", ours[1]]) == 9
    (tmp_path / "bad.json").write_text("{}")
    assert (
        run(["verify", str(lock), "--identity", WORKFLOW, "--issuer", GITHUB, "--root", str(tmp_path / "bad.json")])
        == 12
    )


def _places(value, path=()):
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, key)
        yield from _places(value[key], (*path, key))


def test_a_bundle_of_which_any_part_is_changed_is_refused(lock, ours, capsys):
    """Each text of the bundle in turn is another one; those that mean nothing for the signature are named."""
    sigstore, root = ours
    path = bundled(sigstore, lock)
    first = json.loads(path.read_text().splitlines()[0])
    unbound = {"keyid", "logIndex"}
    for place in list(_places(first)):
        changed = json.loads(json.dumps(first))
        holder = changed
        for key in place[:-1]:
            holder = holder[key]
        if not isinstance(holder[place[-1]], str) or place[-1] in unbound:
            continue
        holder[place[-1]] = "AAAA" + holder[place[-1]][4:] if len(holder[place[-1]]) > 8 else "7"
        path.write_text(json.dumps(changed) + "\n")
        assert run(["verify", str(lock), "--identity", WORKFLOW, "--issuer", GITHUB, "--root", root]) == 9, place
    assert "is not signed by" in capsys.readouterr().err


def test_verifying_loads_no_signing_library_before_it_is_needed():
    code = "import sys, envbuild.cli.attest; print('securesystemslib' in sys.modules or 'sigstore' in sys.modules)"
    assert programs.run([sys.executable, "-c", code]).stdout == "False\n"

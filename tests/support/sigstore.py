"""A sigstore of our own on paper: certificate authority, certificate log and signature log, as a root of trust and as bundles.

Nothing is asked of anybody: certificates, timestamps and log entries are made here with keys made here, in the forms that
sigstore's client verifies (RFC 5280, RFC 6962 §3.2, Rekor's `dsse` entry of version 0.0.1, the bundle of version 0.3).
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pypi_attestations import AttestationType

GITHUB = "https://token.actions.githubusercontent.com"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
_ISSUER, _REPOSITORY = "1.3.6.1.4.1.57264.1.8", "1.3.6.1.4.1.57264.1.12"
_OLD_ISSUER = "1.3.6.1.4.1.57264.1.1"
_TIMESTAMPS = "1.3.6.1.4.1.11129.2.4.2"


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(slots=True)
class Sigstore:
    """Keys, and what is made with them. `now` is when everything happens."""

    authority: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    certificate_log: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    signature_log: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.timezone.utc).replace(microsecond=0))

    def write_root(self, path: Path) -> Path:
        """Write the root of trust, as sigstore's `trusted_root.json` is."""
        start = (self.now - dt.timedelta(days=1)).isoformat().replace("+00:00", "Z")
        log = {"baseUrl": "https://log.example", "hashAlgorithm": "SHA2_256"}
        logs = [
            {
                **log,
                "logId": {"keyId": _b64(_key_id(key))},
                "publicKey": {
                    "rawBytes": _b64(_der(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": {"start": start},
                },
            }
            for key in (self.signature_log, self.certificate_log)
        ]
        chain = {"certificates": [{"rawBytes": _b64(self._root().public_bytes(serialization.Encoding.DER))}]}
        document = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": logs[:1],
            "ctlogs": logs[1:],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "ours", "commonName": "ours"},
                    "uri": "https://ca.example",
                    "certChain": chain,
                    "validFor": {"start": start},
                }
            ],
            "timestampAuthorities": [],
        }
        path.write_text(json.dumps(document))
        return path

    def bundle(self, statement: bytes, *, identity: str, issuer: str = GITHUB, repository: str = "") -> dict[str, Any]:
        """Return `statement` signed by `identity` (a URL), for which `issuer` vouches, as sigstore's bundle."""
        key = _new_key()
        certificate = self._leaf(key, identity, issuer, repository)
        payload_type = PAYLOAD_TYPE.encode()
        encoded = b"DSSEv1 %d %b %d %b" % (len(payload_type), payload_type, len(statement), statement)
        signature = _sign(key, encoded)
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": _b64(certificate.public_bytes(serialization.Encoding.DER))},
                "tlogEntries": [self._entry(statement, signature, certificate)],
                "timestampVerificationData": {"rfc3161Timestamps": []},
            },
            "dsseEnvelope": {
                "payload": _b64(statement),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": _b64(signature), "keyid": ""}],
            },
        }

    def attestation(self, file_name: str, sha256: str, *, repository: str, **changed: Any) -> dict[str, Any]:
        """Return what an index offers for a file that a workflow of GitHub's `repository` published (PEP 740)."""
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": file_name, "digest": {"sha256": sha256}}],
            "predicateType": AttestationType.PYPI_PUBLISH_V1.value,
            "predicate": None,
            **changed,
        }
        workflow = f"https://github.com/{repository}/.github/workflows/release.yml@refs/tags/v1"
        made = self.bundle(
            json.dumps(statement).encode(), identity=workflow, repository=f"https://github.com/{repository}"
        )
        material, envelope = made["verificationMaterial"], made["dsseEnvelope"]
        return {
            "version": 1,
            "verification_material": {
                "certificate": material["certificate"]["rawBytes"],
                "transparency_entries": material["tlogEntries"],
            },
            "envelope": {"statement": envelope["payload"], "signature": envelope["signatures"][0]["sig"]},
        }

    def _builder(self, key: ec.EllipticCurvePrivateKey, subject: str, days: float) -> x509.CertificateBuilder:
        name = [x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else []
        start = self.now - dt.timedelta(minutes=5)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name(name))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ours")]))
            .public_key(key.public_key())
            .serial_number(int.from_bytes(_key_id(key)[:8], "big"))
            .not_valid_before(start)
            .not_valid_after(start + dt.timedelta(days=days))
        )

    def _root(self) -> x509.Certificate:
        usage = _usage(key_cert_sign=True, crl_sign=True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self.authority.public_key())
        builder = (
            self._builder(self.authority, "ours", 3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(identifier, critical=False)
        )
        return builder.sign(self.authority, hashes.SHA256())

    def _leaf(self, key: ec.EllipticCurvePrivateKey, identity: str, issuer: str, repository: str) -> x509.Certificate:
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.public_key())
        claims = {_ISSUER: issuer, _REPOSITORY: repository}
        builder = (
            self._builder(key, "", 10 / 1440)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True)
            .add_extension(by, critical=False)
        )
        for oid, value in claims.items():
            if value:
                claim = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), _der_text(value))
                builder = builder.add_extension(claim, critical=False)
        # the first version of the claim is the bare text
        old = x509.UnrecognizedExtension(x509.ObjectIdentifier(_OLD_ISSUER), issuer.encode())
        return self._logged(builder.add_extension(old, critical=False)).sign(self.authority, hashes.SHA256())

    def _logged(self, builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
        """Add the timestamp of the certificate log, which signs the certificate as it is without it."""
        bare = builder.sign(self.authority, hashes.SHA256()).tbs_certificate_bytes
        moment = int(self.now.timestamp() * 1000)
        issuer = _key_id(self.authority)
        head = struct.pack("!BBQH", 0, 0, moment, 1)
        signed = head + issuer + len(bare).to_bytes(3, "big") + bare + b"\0\0"
        signature = _sign(self.certificate_log, signed)
        one = b"\0" + _key_id(self.certificate_log) + struct.pack("!Q", moment) + b"\0\0" + b"\4\3"
        one += struct.pack("!H", len(signature)) + signature
        listed = struct.pack("!H", len(one)) + one
        value = struct.pack("!H", len(listed)) + listed
        der = b"\4" + _length(len(value)) + value
        return builder.add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier(_TIMESTAMPS), der), critical=False
        )

    def _entry(self, payload: bytes, signature: bytes, certificate: x509.Certificate) -> dict[str, Any]:
        """Return the entry of a log that holds nothing else."""
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        body = _canonical(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
                    "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
                    "signatures": [{"signature": _b64(signature), "verifier": _b64(pem)}],
                },
            }
        )
        root, log = hashlib.sha256(b"\0" + body).digest(), _key_id(self.signature_log)
        note = f"log.example - 1\n1\n{_b64(root)}\n"
        line = f"\u2014 log.example {_b64(log[:4] + _sign(self.signature_log, note.encode()))}\n"
        moment = int(self.now.timestamp())
        promised = _canonical({"body": _b64(body), "integratedTime": moment, "logID": log.hex(), "logIndex": 0})
        return {
            "logIndex": "0",
            "logId": {"keyId": _b64(log)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(moment),
            "inclusionPromise": {"signedEntryTimestamp": _b64(_sign(self.signature_log, promised))},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": _b64(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n{line}"},
            },
            "canonicalizedBody": _b64(body),
        }


def _usage(**said: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    more = ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: said.get(name, False) for name in (*names, *more)})


def _sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def _der(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.DER, form)


def _key_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(_der(key)).digest()


def _der_text(text: str) -> bytes:
    return b"\x0c" + _length(len(text.encode())) + text.encode()


def _length(size: int) -> bytes:
    if size < 128:
        return bytes([size])
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(digits)]) + digits


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

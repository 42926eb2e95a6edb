"""Signing with a key file (PEM): Ed25519, ECDSA on the NIST curves, or RSA. Takes the extra `sign`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.core.errors import FileError, IntegrityError, UsageError
from envbuild.signing.envelope import PAYLOAD_TYPE, Verified

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

KEY, PASSWORD = "ENVBUILD_SIGNING_KEY", "ENVBUILD_SIGNING_KEY_PASSWORD"
_LARGEST = 1 << 16
_MAKE = "make one: openssl genpkey -algorithm ed25519 -out key.pem && openssl pkey -in key.pem -pubout -out key.pub"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySigner:
    """Signs with a private key."""

    signer: CryptoSigner
    media_type: str = "application/vnd.dsse.envelope.v1+json"

    @classmethod
    def from_file(cls, path: Path, environ: Mapping[str, str]) -> KeySigner:
        """Read the private key in `path`; the environment variable `ENVBUILD_SIGNING_KEY_PASSWORD` opens an encrypted one.

        Raises:
            FileError: it cannot be read, is no private key, or the password is missing or wrong.
        """
        _extra()
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from securesystemslib.signer import CryptoSigner

        password = environ.get(PASSWORD, "").encode() or None
        try:
            return cls(signer=CryptoSigner(load_pem_private_key(_read(path), password)))
        except TypeError:
            hint = f"set {PASSWORD}" if password is None else f"unset {PASSWORD}"
            wrong = "is encrypted" if password is None else "is not encrypted, and a password is set"
            raise FileError(f"{path} {wrong}", hint=hint) from None
        except (ValueError, UnsupportedAlgorithm):
            # the library's own words may quote the file
            reason = "or the password is wrong" if password else "of a kind that is known (Ed25519, ECDSA, RSA)"
            raise FileError(f"{path} is no private key in PEM, {reason}", hint=_MAKE) from None

    def sign(self, statement: bytes) -> str:
        """Return `statement` in an envelope."""
        from securesystemslib.dsse import Envelope

        envelope = Envelope(payload=statement, payload_type=PAYLOAD_TYPE, signatures={})
        envelope.sign(self.signer)
        return json.dumps(envelope.to_dict(), sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVerifier:
    """Verifies with a public key."""

    key: SSlibKey

    @classmethod
    def from_file(cls, path: Path) -> KeyVerifier:
        """Read the public key in `path`.

        Raises:
            FileError: it cannot be read or is no public key.
        """
        _extra()
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
        from securesystemslib.signer import SSlibKey

        try:
            return cls(key=SSlibKey.from_crypto(load_pem_public_key(_read(path))))
        except (ValueError, UnsupportedAlgorithm):
            raise FileError(f"{path} is no public key in PEM (Ed25519, ECDSA, RSA)", hint=_MAKE) from None

    def verify(self, envelope: Mapping[str, Any], place: str) -> Verified:
        """Return what `envelope` says, when one of its signatures is the key's."""
        from securesystemslib.dsse import Envelope
        from securesystemslib.exceptions import VerificationError
        from securesystemslib.signer import SSlibKey

        if envelope.get("payloadType") != PAYLOAD_TYPE:
            raise IntegrityError(f"{place}: is no in-toto statement signed with a key")
        key = self.key
        try:
            # the key's id is no more than a hint (DSSE): other tools have their own
            signatures = [{"keyid": "", **one} for one in envelope["signatures"]]
            for one in signatures:
                alike = SSlibKey(str(one["keyid"]), key.keytype, key.scheme, dict(key.keyval))
                read = Envelope.from_dict({**envelope, "signatures": [dict(one)]})
                try:
                    read.verify([alike], 1)
                except VerificationError:
                    continue
                return Verified(statement=read.payload, signer=f"key {key.keyid[:16]}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(f"{place}: is no DSSE envelope: {type(error).__name__}") from None
        raise IntegrityError(f"{place}: is not signed with this key, or was changed since")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise FileError(f"the key {path} cannot be read: {error.strerror or error}") from error


def _extra() -> None:
    try:
        import cryptography  # noqa: F401
        import securesystemslib  # noqa: F401
    except ImportError:
        raise UsageError("signing and verifying need the extra `sign`", hint="pip install 'envbuild[sign]'") from None

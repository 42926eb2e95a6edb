"""Signing without a key: sigstore's certificate for an identity, and its log. Takes the extra `sigstore`.

To sign asks sigstore's services on the Internet (Fulcio, Rekor). To verify needs their root of trust only, which may be a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.core.errors import FileError, IntegrityError, NetworkError, UsageError
from envbuild.signing.envelope import PAYLOAD_TYPE, Verified

if TYPE_CHECKING:
    import sigstore.verify

TOKEN, ROOT = "SIGSTORE_ID_TOKEN", "ENVBUILD_SIGSTORE_ROOT"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeylessSigner:
    """Signs with a certificate of a few minutes for `token`, an OpenID Connect token."""

    token: str
    media_type: str = "application/vnd.dev.sigstore.bundle.v0.3+json"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> KeylessSigner:
        """Take the token that `SIGSTORE_ID_TOKEN` holds, or that a CI service gives to what runs in it.

        Raises:
            UsageError: there is none.
        """
        _extra()
        from id import IdentityError, detect_credential

        try:
            token = environ.get(TOKEN) or detect_credential("sigstore")
        except IdentityError as error:
            raise UsageError(f"this CI service gives no identity: {error}") from None
        if not token:
            raise UsageError("there is no identity to sign with", hint=f"run it in CI, or set {TOKEN}")
        return cls(token=token)

    def sign(self, statement: bytes) -> str:
        """Return `statement` in a bundle: envelope, certificate, and the log's promise."""
        from sigstore.dsse import Statement
        from sigstore.errors import Error
        from sigstore.models import ClientTrustConfig
        from sigstore.oidc import IdentityToken
        from sigstore.sign import SigningContext

        try:
            context = SigningContext.from_trust_config(ClientTrustConfig.production())
            with context.signer(IdentityToken(self.token)) as signer:
                bundle = signer.sign_dsse(Statement(statement))
        except (Error, OSError) as error:
            raise NetworkError(f"sigstore does not sign: {type(error).__name__}: {error}") from None
        return json.dumps(json.loads(bundle.to_json()), sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeylessVerifier:
    """Verifies that `identity` (an e-mail address, or a workflow's URL), which `issuer` vouches for, signed."""

    identity: str
    issuer: str
    root: Path | None = None
    offline: bool = False

    def verify(self, envelope: Mapping[str, Any], place: str) -> Verified:
        """Return what the bundle says, when certificate, log and signature are right."""
        _extra()
        from sigstore.errors import Error
        from sigstore.models import Bundle
        from sigstore.verify import policy

        if "dsseEnvelope" not in envelope:
            raise IntegrityError(f"{place}: is signed with a key, not with an identity of sigstore's")
        who = policy.Identity(identity=self.identity, issuer=self.issuer)
        try:
            kind, statement = verifier(self.root, offline=self.offline).verify_dsse(
                Bundle.from_json(json.dumps(envelope)), who
            )
        except (Error, ValueError, TypeError, KeyError) as error:
            raise IntegrityError(f"{place}: is not signed by {self.identity}: {error}") from None
        if kind != PAYLOAD_TYPE:
            raise IntegrityError(f"{place}: is no in-toto statement")
        return Verified(statement=statement, signer=f"identity {self.identity}")


def verifier(root: Path | None = None, *, offline: bool = False) -> sigstore.verify.Verifier:
    """Return sigstore's verifier with the root of trust in the file `root` or `ENVBUILD_SIGSTORE_ROOT`, else sigstore's public one.

    The public one is brought up to date where the network allows, and is the installed package's where not, or where that is off.

    Raises:
        FileError: the file is no root of trust.
    """
    _extra()
    from sigstore.errors import Error
    from sigstore.models import TrustedRoot
    from sigstore.verify import Verifier

    named = root or (Path(os.environ[ROOT]) if os.environ.get(ROOT) else None)
    if named is None:
        return _public(offline=offline)
    try:
        return Verifier(trusted_root=TrustedRoot.from_file(str(named)))
    except (OSError, ValueError, Error) as error:
        raise FileError(
            f"{named} is no root of trust of sigstore's: {getattr(error, 'strerror', None) or type(error).__name__}"
        ) from None


def _public(*, offline: bool) -> sigstore.verify.Verifier:
    from sigstore.errors import Error
    from sigstore.verify import Verifier

    if offline:
        return Verifier.production(offline=True)
    try:
        return Verifier.production()
    except (Error, OSError):
        return Verifier.production(offline=True)


def _extra() -> None:
    try:
        import sigstore  # noqa: F401
    except ImportError:
        raise UsageError(
            "identities of sigstore's need the extra `sigstore`", hint="pip install 'envbuild[sigstore]'"
        ) from None

"""The envelope of a signed statement (DSSE 1.0), one line of JSON, and the two ways to sign and to verify one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from envbuild.core.errors import FileError, IntegrityError

PAYLOAD_TYPE = "application/vnd.in-toto+json"
LARGEST = 64 << 20
"""Bytes of a file of attestations: a bill of materials of thousands of packages has a few million."""


class Signer(Protocol):
    """Signs statements."""

    @property
    def media_type(self) -> str:
        """What a registry calls its envelopes."""
        ...

    def sign(self, statement: bytes) -> str:
        """Return `statement` in a signed envelope, one line of JSON.

        Raises:
            FileError: it cannot be signed.
        """
        ...


class Verifier(Protocol):
    """Verifies envelopes."""

    def verify(self, envelope: Mapping[str, Any], place: str) -> Verified:
        """Return what the envelope called `place` says and who signed it.

        Raises:
            IntegrityError: no signature is right.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A statement whose signature is right, and by whom it is (`key 1f…`, `identity …`)."""

    statement: bytes
    signer: str


def read_envelopes(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the envelopes of a file, one a line (or one document alone), each with its place.

    Raises:
        FileError: the file cannot be read or is too large.
        IntegrityError: it holds something else.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise FileError(f"{path} has more than {LARGEST >> 20} MiB")
        text = path.read_text("utf-8")
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise IntegrityError(f"{path} is no file of attestations") from None
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    try:
        return [(str(path), parse_envelope(text, str(path)))]
    except IntegrityError:
        return [(f"{path}:{number}", parse_envelope(line, f"{path}:{number}")) for number, line in lines]


def parse_envelope(text: str | bytes, place: str) -> Mapping[str, Any]:
    """Return the envelope, or the bundle of sigstore's, in `text`.

    Raises:
        IntegrityError: it is none.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise IntegrityError(f"{place}: is no attestation: not JSON") from None
    if not isinstance(found, dict) or not ("payload" in found or "dsseEnvelope" in found):
        raise IntegrityError(f"{place}: is no attestation: neither a DSSE envelope nor a bundle of sigstore's")
    return found

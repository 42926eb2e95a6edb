"""`envbuild attest` and `envbuild verify`: what is said of a lock or an image, signed, and whether it holds."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.cli.arguments import add_definition, add_environment, definition_or_default
from envbuild.cli.image import add_code

if TYPE_CHECKING:
    from envbuild.attestations import Subject
    from envbuild.signing.envelope import Signer, Verifier


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    _add_attest(commands)
    _add_verify(commands)


def _add_attest(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "attest",
        help="provenance and bill of materials of a lock or an image, signed",
        description="Prints two in-toto statements, one a line: SLSA provenance and a CycloneDX bill of materials, of the definition's lock or of "
        "an image made from it. With --key or --keyless each is in a signed DSSE envelope.",
    )
    add_definition(parser)
    parser.add_argument(
        "--image", default="", metavar="NAME@DIGEST", help="of this image, which was made from the definition's lock"
    )
    parser.add_argument("--platform", default="", metavar="P", help="with --image: the image's platform")
    add_code(parser)
    signing = parser.add_mutually_exclusive_group()
    signing.add_argument(
        "--key", type=Path, metavar="FILE", help="sign with this private key (PEM; default: ENVBUILD_SIGNING_KEY)"
    )
    signing.add_argument(
        "--keyless", action="store_true", help="sign with sigstore, as the identity of SIGSTORE_ID_TOKEN or of a CI job"
    )
    parser.add_argument("-o", "--output", type=Path, help="the file (default: stdout)")
    parser.set_defaults(run=run_attest)


def _add_verify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "verify",
        help="whether a lock or an image is what was attested of it",
        description="Exit 0 when a signature is right and what was signed is about exactly these bytes; else 9. A lock's attestations lie "
        "beside it (<lock>.intoto.jsonl) or where --attestations says; an image's are asked of its registry.",
    )
    parser.add_argument("subject", help="a lock, a definition that has one, or an image NAME@DIGEST or NAME:TAG")
    add_environment(parser)
    parser.add_argument("--attestations", type=Path, metavar="FILE", help="where they are")
    parser.add_argument("--key", type=Path, metavar="FILE", help="the public key (PEM) of who must have signed")
    parser.add_argument(
        "--identity", default="", help="with sigstore: who must have signed (an e-mail address, a workflow's URL)"
    )
    parser.add_argument("--issuer", default="", metavar="URL", help="with sigstore: who vouches for the identity")
    parser.add_argument(
        "--root", type=Path, metavar="FILE", help="with sigstore: its root of trust (default: the public one's)"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run_verify)


def run_attest(arguments: argparse.Namespace) -> int:
    """Print or write the statements."""
    from envbuild.files import write_atomic

    statements = _of_image(arguments) if arguments.image else _of_lock(arguments)
    signer = _signer(arguments)
    lines = [signer.sign(one) if signer else one.decode() for one in statements]
    text = "".join(f"{line}\n" for line in lines)
    if arguments.output is None:
        print(text, end="")
    else:
        write_atomic(arguments.output, text)
        print(arguments.output)
    return 0


def _signer(arguments: argparse.Namespace) -> Signer | None:
    from envbuild.signing.keys import KEY, KeySigner

    if arguments.keyless:
        from envbuild.signing.keyless import KeylessSigner

        return KeylessSigner.from_environment(os.environ)
    path = arguments.key or (Path(os.environ[KEY]) if os.environ.get(KEY) else None)
    return KeySigner.from_file(path, os.environ) if path else None


def _of_lock(arguments: argparse.Namespace) -> Sequence[bytes]:
    from envbuild.files import sha256_of
    from envbuild.formats.statements import lock_statements
    from envbuild.lockfile import load_lock

    path = _lock_file(definition_or_default(arguments.definition), arguments.environment)
    return lock_statements(load_lock(path), path.name, sha256_of(path))


def _of_image(arguments: argparse.Namespace) -> Sequence[bytes]:
    from envbuild.api import plan
    from envbuild.core.errors import DefinitionError
    from envbuild.core.reference import ImageReference
    from envbuild.formats.statements import image_statements

    image = ImageReference.parse(arguments.image)
    if not image.digest:
        raise DefinitionError(
            f"--image {arguments.image}: what is attested is about a digest", hint="write NAME@sha256:…"
        )
    made = plan(
        definition_or_default(arguments.definition),
        environment=arguments.environment,
        platform=arguments.platform,
        locked=True,
        allow_unpinned_base=True,
        code=not arguments.no_code,
    )
    return image_statements(made, image.name, image.digest)


def _lock_file(path: Path, environment: str) -> Path:
    from envbuild.core.errors import LockError
    from envbuild.formats.detect import lock_format
    from envbuild.lockfile import find_lock, read_text

    if path.is_file() and lock_format(read_text(path), path.name):
        return path
    found = find_lock(path, environment)
    if found is None:
        raise LockError(f"{path} has no lock", hint=f"run `envbuild lock {path}`")
    return found


def run_verify(arguments: argparse.Namespace) -> int:
    """Print who attested what; raise where nobody did."""
    from envbuild.attestations import check

    verifier = _verifier(arguments)
    found = [(subject, check(subject, verifier)) for subject in _subjects(arguments)]
    rows = [(subject, claim) for subject, claims in found for claim in claims]
    if arguments.json:
        attested = [{"subject": one.name, "digest": one.digest, **asdict(claim)} for one, claim in rows]
        print(json.dumps({"ok": True, "attested": attested}))
    for one, claim in () if arguments.json else rows:
        print(f"{one.name}: {claim.says}, signed by {claim.signer}")
    return 0


def _verifier(arguments: argparse.Namespace) -> Verifier:
    from envbuild.core.errors import UsageError

    if arguments.key and not (arguments.identity or arguments.issuer):
        from envbuild.signing.keys import KeyVerifier

        return KeyVerifier.from_file(arguments.key)
    if arguments.identity and arguments.issuer and not arguments.key:
        from envbuild.net.offline import is_offline
        from envbuild.signing.keyless import KeylessVerifier

        return KeylessVerifier(
            identity=arguments.identity, issuer=arguments.issuer, root=arguments.root, offline=is_offline()
        )
    raise UsageError("who must have signed?", hint="say --key FILE, or --identity WHO with --issuer URL")


def _subjects(arguments: argparse.Namespace) -> Sequence[Subject]:
    from envbuild.attestations import image_subjects, lock_subject

    given = Path(arguments.subject)
    if given.exists():
        return [lock_subject(_lock_file(given, arguments.environment), arguments.attestations)]
    from envbuild.core.reference import ImageReference
    from envbuild.net.registry import RegistryClient

    return image_subjects(ImageReference.parse(arguments.subject), RegistryClient(), arguments.attestations)

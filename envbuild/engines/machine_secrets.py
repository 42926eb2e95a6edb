"""The build secrets that this machine's settings ask for, which nobody named for one build."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from envbuild.core.progress import Progress


def default_secrets() -> dict[str, Path]:
    """Return the CA bundle named by `SSL_CERT_FILE`, as `ca`."""
    bundle = os.environ.get("SSL_CERT_FILE", "")
    return {"ca": Path(bundle)} if bundle and Path(bundle).is_file() else {}


def without_defaults(secrets: Mapping[str, Path], progress: Progress) -> dict[str, Path]:
    """Return `secrets` for a builder that takes none: what only this machine's settings ask for is left out, and said."""
    ours = default_secrets()
    kept = {name: path for name, path in secrets.items() if ours.get(name) != path}
    if len(kept) < len(secrets):
        progress.note(
            f"docker without buildx takes no secrets here: build steps do not see {ours['ca']} (SSL_CERT_FILE)"
        )
    return kept

"""Secrets of every kind planted on a machine of its own (home, caches, temporary folder), and the search for their bytes."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import zstandard

from envbuild import programs

SECRETS = {
    "index URL": "pl4nted-url-p@ss",
    "index variable": "s3cret-pass",
    "netrc": "pl4nted-netrc",
    "registry": "pl4nted-registry",
    "CA key": "pl4nted-ca-key-0123456789abcdef",
    "environment": "pl4nted-environment",
    "v1 registry": "pl4nted-v1",
    "conda token": "pl4nted-conda-token",
    "bearer": "pl4nted-bearer",
    "key password": "pl4nted-key-password",
}


@dataclass(slots=True, kw_only=True)
class Machine:
    """A home with planted secrets, and everything that envbuild is run with. `outputs` is what the runs printed."""

    root: Path
    outputs: list[tuple[str, bytes]] = field(default_factory=list)
    planted: set[Path] = field(default_factory=set)

    def plant(self, path: str, text: str) -> Path:
        """Write a file that may hold a secret: the only places that are not searched."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o600)
        self.planted.add(place)
        return place

    def write(self, path: str, text: str) -> Path:
        """Write a file that is searched like all others."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a run: every folder lies in `root`."""
        folders = {
            "HOME": "home",
            "TMPDIR": "tmp",
            "XDG_CACHE_HOME": "cache",
            "ENVBUILD_CACHE_DIR": "cache/envbuild",
            "UV_CACHE_DIR": "cache/uv",
            "PIP_CACHE_DIR": "cache/pip",
            "RATTLER_CACHE_DIR": "cache/rattler",
            "DOCKER_CONFIG": "home/.docker",
            "XDG_DATA_HOME": "data",
            "XDG_STATE_HOME": "state",
        }
        for folder in folders.values():
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        places = {name: str(self.root / folder) for name, folder in folders.items()}
        return {**kept, **places, "UV_NO_CONFIG": "1", "PIP_CONFIG_FILE": os.devnull, **more}

    def envbuild(self, *words: str, **more: str) -> programs.Completed:
        """Run the command line and keep what it printed."""
        return self.python("-m", "envbuild", *words, **more)

    def python(self, *words: str, **more: str) -> programs.Completed:
        """Run Python and keep what it printed."""
        argv = [sys.executable, *words]
        done = programs.run(argv, env=self.environment(**more), cwd=self.root, check=False, timeout=300)
        self.outputs.append((" ".join(words)[:200], f"{done.stdout}\n{done.stderr}".encode()))
        return done

    def hits(self, *, also: Mapping[str, bytes] | None = None) -> list[str]:
        """Return where any form of any secret is found: files, their names, links, outputs."""
        return [
            f"{name} in {place}"
            for place, content in [*self.outputs, *self._left(), *(also or {}).items()]
            for name, forms in FORMS.items()
            if any(form in content for form in forms)
        ]

    def _left(self) -> Iterator[tuple[str, bytes]]:
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = Path(folder, name)
                yield f"the name of {path}", os.fsencode(path)
                if path.is_symlink():
                    yield f"the link {path}", os.fsencode(path.readlink())
                elif path.is_file() and path not in self.planted:
                    content = path.read_bytes()
                    yield str(path.relative_to(self.root)), content
                    yield from _inside(path, content)


def _inside(path: Path, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what a compressed file or archive holds."""
    if content[:2] == b"\x1f\x8b":
        yield f"inside {path.name}", gzip.decompress(content)
    elif content[:4] == b"\x28\xb5\x2f\xfd":
        yield f"inside {path.name}", zstandard.ZstdDecompressor().stream_reader(content).read()
    elif content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from ((f"{name} in {path.name}", archive.read(name)) for name in archive.namelist())


def forms(secret: str) -> tuple[bytes, ...]:
    """Return the bytes that give `secret` away: plain, quoted for a URL or JSON, and in base64 at each of three offsets."""
    plain = secret.encode()
    coded = []
    for before in (b"", b"x", b"xx", b"reader:", b"__token__:"):
        text = base64.b64encode(before + plain)
        start, end = (len(before) * 4 + 2) // 3, len(text) - 4
        coded.append(text[start:end])
    return (
        plain,
        quote(secret, safe="").encode(),
        json.dumps(secret)[1:-1].encode(),
        *(one for one in coded if len(one) > 8),
    )


FORMS = {name: forms(secret) for name, secret in SECRETS.items()}

"""The sides of `benchmarks.oci`: pip's and uv's Dockerfiles in docker, and `envbuild` with the oci engine, each as a process."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uv

from benchmarks.timing import run
from envbuild import programs
from envbuild.core.keys import canonical, sha256
from envbuild.core.lock import Lock, LockedBase, LockedPython, PipFile, PipPackage
from envbuild.files import cache_root, exclusive, new_folder
from envbuild.formats.detect import write_lock
from envbuild.read import read_definition
from tests.support.base_image import BaseImage
from tests.support.engine import Engine
from tests.support.index import Index, Release

ROOTS = (
    *("pyarrow", "scipy", "numpy", "pandas", "scikit-learn", "matplotlib", "lightgbm"),
    *("flask", "pydantic", "requests", "pyyaml"),
)
"""What a scientific service asks for: 38 wheels with what they need."""

ADDED = ("tabulate", "toolz", "humanize", "inflection", "cachetools", "tqdm", "more-itertools")
"""One for each round: nobody has it in a cache, and each is as small as what people add is."""

PYTHON = "3.11"

PIP = """\
FROM {base}
ARG NONCE
COPY requirements.txt /tmp/requirements.txt
RUN python3 -m venv /opt/env && /opt/env/bin/python -m pip install --require-hashes --no-deps --no-cache-dir \\
    --disable-pip-version-check --index-url {index} -r /tmp/requirements.txt && echo {nonce}
"""

UV = """\
FROM {base}
COPY uv /usr/local/bin/uv
RUN python3 -m venv --without-pip /opt/env
COPY requirements.txt /tmp/requirements.txt
RUN --mount=type=cache,id=uv-{cache},target=/root/.cache/uv UV_LINK_MODE=copy uv pip sync --quiet --no-config --python /opt/env/bin/python \\
    --require-hashes {compile} --index-url {index} /tmp/requirements.txt && echo {nonce}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The engine, the index with all wheels, the base, and a folder for what the sides need."""

    engine: Engine
    base: BaseImage
    index: Index
    packages: Mapping[str, PipPackage]
    folder: Path
    cache: Path = field(kw_only=True)

    def requirements(self, names: Sequence[str]) -> str:
        """Return a hashed requirements file of `names`."""
        packages = [self.packages[name] for name in names]
        return "".join(f"{one.name}=={one.version} --hash=sha256:{one.wheels[0].sha256}\n" for one in packages)

    def dockerfile(self, side: str, names: Sequence[str], tag: str, *, nonce: str, cache: str = "warm") -> None:
        """Build pip's or uv's image of `names` (`uv-bare`: without bytecode) and tag it."""
        context = self.folder / f"context-{side}"
        context.mkdir(exist_ok=True)
        template = PIP if side == "pip" else UV
        compiling = "" if side == "uv-bare" else "--compile-bytecode"
        if side != "pip" and not (context / "uv").exists():
            shutil.copy(uv.find_uv_bin(), context / "uv")
        values = {
            "base": self.base.pinned,
            "index": self.index.url,
            "nonce": nonce,
            "cache": cache,
            "compile": compiling,
        }
        (context / "Dockerfile").write_text(template.format(**values))
        (context / "requirements.txt").write_text(self.requirements(names))
        self.engine.build(context, tag=tag)

    def oci(self, names: Sequence[str], *words: str, cache: Path | None = None) -> dict[str, object]:
        """Assemble the image of `names` as a person does, with the further `words`; return what `--json` tells."""
        env = {**self.engine.environment(), "ENVBUILD_CACHE_DIR": str(cache or self.cache)}
        argv = [sys.executable, "-m", "envbuild", "image", "--engine", "oci", "--locked", "--json", "--quiet", *words]
        return dict(json.loads(run(argv, cwd=self.definition(names), env=env).stdout))

    def definition(self, names: Sequence[str]) -> Path:
        """Return the folder with a definition and a lock of `names`."""
        folder = self.folder / f"definition-{sha256(canonical([self.base.digest, *sorted(names)]))[:12]}"
        if (folder / "pylock.toml").is_file():
            return folder
        folder.mkdir(exist_ok=True)
        wanted = ", ".join(f'"{name}"' for name in names)
        path = folder / "pyproject.toml"
        path.write_text(f'[tool.envbuild]\nname = "bench"\nallow-distribution = ["debian"]\npip = [{wanted}]\n')
        definition = read_definition(path)
        lock = Lock(
            definition_hash=definition.hash,
            sources=definition.sources,
            platforms=("linux-64",),
            pip=tuple(self.packages[name] for name in sorted(names)),
            python=LockedPython(version=PYTHON, provider="base", interpreter=f"/usr/bin/python{PYTHON}"),
            base=LockedBase(reference=self.base.reference, digest=self.base.digest, distribution="debian 12"),
            virtual_packages=("__glibc=2.36=0",),
            index_url=self.index.url,
        )
        (folder / "pylock.toml").write_text(write_lock(lock, "pylock.toml"))
        return folder


def wheels() -> list[Path]:
    """Return the wheels of all packages, fetched once by pip from the index that this machine is configured for."""
    folder = cache_root() / "benchmark-oci-wheels"
    with exclusive(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            with new_folder(folder) as new:
                asked = new / "asked.in"
                asked.write_text("\n".join([*ROOTS, *ADDED]))
                pins = new / "pins.txt"
                argv = [
                    uv.find_uv_bin(),
                    "pip",
                    "compile",
                    "-q",
                    "--only-binary",
                    ":all:",
                    "--no-annotate",
                    "--no-header",
                ]
                programs.run(
                    [
                        *argv,
                        "--python-version",
                        PYTHON,
                        "--python-platform",
                        "x86_64-manylinux_2_28",
                        str(asked),
                        "-o",
                        str(pins),
                    ]
                )
                platforms = [
                    f"--platform={one}"
                    for one in (
                        "manylinux_2_28_x86_64",
                        "manylinux_2_27_x86_64",
                        "manylinux_2_17_x86_64",
                        "manylinux2014_x86_64",
                        "any",
                    )
                ]
                options = ["--no-deps", "--only-binary=:all:", f"--python-version={PYTHON}", *platforms, "-d", str(new)]
                programs.run([sys.executable, "-m", "pip", "download", "-q", *options, "-r", str(pins)])
                (new / "base.in").write_text("\n".join(ROOTS))
                programs.run(
                    [
                        *argv,
                        "--python-version",
                        PYTHON,
                        "--python-platform",
                        "x86_64-manylinux_2_28",
                        str(new / "base.in"),
                        "-o",
                        str(new / "base.txt"),
                    ]
                )
    return sorted(folder.glob("*.whl"))


def environment_names() -> list[str]:
    """Return the names of the packages of the environment, without those that rounds add."""
    lines = (cache_root() / "benchmark-oci-wheels" / "base.txt").read_text().splitlines()
    return sorted(line.partition("==")[0].strip() for line in lines if "==" in line)


@contextmanager
def serving(files: Sequence[Path]) -> Iterator[tuple[Index, dict[str, PipPackage]]]:
    """Yield an index on loopback with the wheels `files`, and what a lock says of each."""
    from packaging.utils import parse_wheel_filename

    with Index() as index:
        found: dict[str, PipPackage] = {}
        for path in files:
            name, version, _, _ = parse_wheel_filename(path.name)
            data = path.read_bytes()
            index.releases.append(
                Release(
                    name=name,
                    version=str(version),
                    file_name=path.name,
                    content=data,
                    upload_time="2024-01-01T00:00:00Z",
                    yanked="",
                    requires_python="",
                )
            )
            file = PipFile(
                filename=path.name,
                url=f"{index.root}/files/{path.name}",
                size=len(data),
                hashes=(("sha256", hashlib.sha256(data).hexdigest()),),
            )
            found[name] = PipPackage(name=name, version=str(version), wheels=(file,))
        yield index, found

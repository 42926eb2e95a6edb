"""The pip part of `benchmarks.lock`: the whole `envbuild lock` process against bare uv and pip-compile, on the real index.

uv gets the same question as we ask it, wheels only: left to itself it builds source distributions while it looks for versions,
which takes minutes at 150 requirements.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uv

from benchmarks.timing import Row, in_turn, run, seconds
from envbuild.net.clean import clean_environment

PYTHON = "3.12"
"""What `envbuild lock` chooses where a definition does not say: its default base has it."""

COLD_BAR = WARM_BAR = 1.15
EXISTING_BAR = 1.0
PIP_COMPILE_BAR = 0.1

NAMES = """
scikit-learn pandas matplotlib flask requests numpy scipy pydantic rich click
fastapi uvicorn httpx jinja2 pyyaml sqlalchemy alembic aiohttp boto3 celery
redis psycopg2-binary pymongo pytest hypothesis black ruff mypy isort coverage
tqdm joblib networkx sympy seaborn plotly statsmodels xgboost lightgbm nltk
gensim spacy beautifulsoup4 lxml pillow imageio scikit-image opencv-python-headless shapely pyproj
geopandas folium bokeh altair dash streamlit gradio notebook jupyterlab ipython
ipykernel nbconvert papermill dask distributed polars pyarrow fastparquet duckdb openpyxl
xlsxwriter xlrd tabulate python-dotenv pydantic-settings typer textual prompt-toolkit loguru structlog
sentry-sdk prometheus-client opentelemetry-api opentelemetry-sdk grpcio protobuf paramiko fabric invoke cryptography
pyjwt passlib bcrypt itsdangerous werkzeug gunicorn starlette django djangorestframework django-filter
django-cors-headers marshmallow attrs cattrs orjson ujson msgpack toml tomlkit jsonschema
watchdog schedule apscheduler tenacity backoff cachetools diskcache filelock platformdirs packaging
virtualenv build twine hatchling poetry-core setuptools-scm tox nox pre-commit sphinx
mkdocs mkdocs-material docutils babel markdown pygments mistune nbformat traitlets jupyter-client
azure-identity azure-storage-blob google-cloud-storage s3fs gcsfs fsspec mlflow-skinny optuna shap numba
""".split()  # noqa: SIM905 - ten a line is easier to count
SIZES = (10, 40, 150)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Two folders with the same requirements, and a cache for each side."""

    folder: Path
    size: int

    def prepare(self) -> None:
        for side in ("ours", "theirs"):
            (self.folder / side).mkdir(parents=True)
            (self.folder / side / "requirements.in").write_text("\n".join(NAMES[: self.size]) + "\n")

    def forget(self) -> None:
        """Remove both answers."""
        for path in (self.folder / "ours" / "pylock.toml", self.folder / "theirs" / "requirements.txt"):
            path.unlink(missing_ok=True)

    def forget_all(self) -> None:
        """Remove both answers and both caches."""
        self.forget()
        shutil.rmtree(self.folder / "cache", ignore_errors=True)

    def ours(self) -> None:
        argv = [sys.executable, "-m", "envbuild", "lock", "requirements.in"]
        environ = {**os.environ, "ENVBUILD_CACHE_DIR": str(self.folder / "cache" / "ours")}
        run(argv, cwd=self.folder / "ours", env={**environ, "PYTHONPATH": str(Path(__file__).parents[1])})

    def uv(self) -> None:
        argv = [
            uv.find_uv_bin(),
            "pip",
            "compile",
            "--quiet",
            "--no-config",
            "--no-python-downloads",
            "--generate-hashes",
        ]
        argv += ["--only-binary", ":all:", "--python-version", PYTHON, "requirements.in", "-o", "requirements.txt"]
        run(argv, cwd=self.folder / "theirs", env=self._environment)

    def pip_compile(self) -> None:
        argv = [
            sys.executable,
            "-m",
            "piptools",
            "compile",
            "--quiet",
            "--no-config",
            "--generate-hashes",
            "--allow-unsafe",
        ]
        argv += ["--strip-extras", "requirements.in", "-o", "requirements.txt"]
        run(argv, cwd=self.folder / "theirs", env={**self._environment, "PIP_CONFIG_FILE": "/dev/null"})

    def pins(self) -> dict[str, object]:
        """Return how many pins ours has, and how many of them are the peer's too."""
        ours = dict(re.findall(r'^name = "([^"]+)"\nversion = "([^"]+)"', self._text("ours/pylock.toml"), re.MULTILINE))
        theirs = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", self._text("theirs/requirements.txt"), re.MULTILINE))
        return {"pins": len(theirs), "same": sum(ours.get(name) == version for name, version in theirs.items())}

    def _text(self, name: str) -> str:
        return (self.folder / name).read_text()

    @property
    def _environment(self) -> dict[str, str]:
        cache = self.folder / "cache" / "theirs"
        return {
            **clean_environment(os.environ),
            "UV_CACHE_DIR": str(cache / "uv"),
            "PIP_CACHE_DIR": str(cache / "pip"),
            "PIP_TOOLS_CACHE_DIR": str(cache / "pip-tools"),
        }


def measure(*, full: bool) -> Iterator[Row]:
    """Yield the rows of 10, 40 and 150 requirements: cold, warm, and with the answer there; pip-compile at 10 (all with `full`)."""
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="envbuild-bench-") as folder:
            bench = Bench(folder=Path(folder), size=size)
            bench.prepare()
            yield from _against_uv(bench, full=full)
            if size == SIZES[0] or full:
                yield _against_pip_compile(bench)


def _against_uv(bench: Bench, *, full: bool) -> Iterator[Row]:
    name = f"pip: {bench.size} requirements"
    cold = 5 if full else 1 if bench.size == SIZES[-1] else 3
    rounds = 7 if full else 3 if bench.size == SIZES[-1] else 5
    ours, theirs = in_turn(bench.ours, bench.uv, cold, before=bench.forget_all)
    yield Row(what=f"{name}, cold", peer="uv pip compile", ours=ours, theirs=theirs, bar=COLD_BAR)
    bench.forget_all()
    bench.ours()
    bench.uv()
    notes = bench.pins()
    ours, theirs = in_turn(bench.ours, bench.uv, rounds, before=bench.forget)
    yield Row(what=f"{name}, warm", peer="uv pip compile", ours=ours, theirs=theirs, bar=WARM_BAR, notes=notes)
    bench.ours()
    bench.uv()
    ours, theirs = in_turn(bench.ours, bench.uv, rounds)
    yield Row(what=f"{name}, lock exists", peer="uv pip compile", ours=ours, theirs=theirs, bar=EXISTING_BAR)


def _against_pip_compile(bench: Bench) -> Row:
    """Time pip-compile once, for it takes minutes; both sides with a warm cache and no answer."""
    bench.forget()
    theirs = [seconds(bench.pip_compile)]
    bench.forget()
    ours = [seconds(bench.ours)]
    return Row(
        what=f"pip: {bench.size} requirements, first time",
        peer="pip-compile",
        ours=ours,
        theirs=theirs,
        bar=PIP_COMPILE_BAR,
    )

"""The feedback part of `benchmarks.lock`: real environments in which pip's pins clash with what conda chooses first.

Conda packages come from the snapshot, pip packages from the real index. Each is locked untouched; rounds are how often pip's
side sent a wish back to conda. The peer is the same environment without the pin that clashes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.lock_channel import SNAPSHOT, own_environment, served
from benchmarks.timing import Count, Row, run, seconds
from envbuild.programs import ProgramError

WANTED = 10
CLASHES = (
    ("numpy", "numba==0.58.1"),
    ("numpy pandas", "tensorflow==2.15.0"),
    ("numpy scipy", "gensim==4.3.3"),
    ("numpy", "langchain==0.1.0"),
    ("numpy pandas scikit-learn scipy", "pycaret==3.3.2"),
    ("numpy pandas", "streamlit==1.30.0"),
    ("numpy pandas pyarrow", "mlflow==2.9.2"),
    ("numpy pandas", "tensorflow==2.14.1"),
    ("flask", "connexion==2.14.2"),
    ("pandas", "great-expectations==0.18.22"),
    ("numpy pandas matplotlib-base", "ydata-profiling==4.6.0"),
    ("numpy scikit-learn", "tensorflow==2.16.1"),
    ("sqlalchemy flask", "apache-airflow==2.8.0"),
    ("requests pandas", "pandasai==2.0.0"),
    ("python numpy pandas", "tensorflow==2.15.0"),
    ("python>=3.9 scikit-learn", "numba==0.58.1"),
)
"""What conda gives, and the pin over it; Python is 3.11 unless it is written, and then pip's side may ask for another."""


def measure(*, full: bool) -> Iterator[Row | Count]:
    """Yield a row an environment, and how many of them were locked after at least one round."""
    del full
    if not SNAPSHOT.is_dir():
        print(f"skipped: {SNAPSHOT} is not there", file=sys.stderr)
        return
    solved = 0
    with served(SNAPSHOT) as url, tempfile.TemporaryDirectory(prefix="envbuild-bench-") as name:
        for number, (conda, pin) in enumerate(CLASHES):
            folder = Path(name, str(number))
            folder.mkdir()
            python = [] if conda.startswith("python") else ["python=3.11"]
            lines = "".join(f"  - {one}\n" for one in (*python, *conda.split(), "pip"))
            text = f"channels:\n  - conda-forge\ndependencies:\n{lines}"
            alone = _time(folder, text, url)[0]
            try:
                time, rounds = _time(folder, f"{text}  - pip:\n    - {pin}\n", url)
            except ProgramError as error:
                print(f"feedback: {pin} over {conda}: not locked: {_reason(error)}", file=sys.stderr)
                continue
            solved += rounds > 0
            what = f"feedback: {pin} over {conda}"
            yield Row(what=what, peer="without it", ours=[time], theirs=[alone], notes={"rounds": rounds})
    yield Count(what="feedback: clashes locked untouched", found=solved, wanted=WANTED, notes={"of": len(CLASHES)})


def _time(folder: Path, text: str, url: str) -> tuple[float, int]:
    """Return how long the first lock of `text` takes, and how many wishes went back."""
    (folder / "conda-lock.yml").unlink(missing_ok=True)
    (folder / "environment.yml").write_text(text)
    argv = [sys.executable, "-m", "envbuild", "lock", "--platform", "linux-64", "--mirror", f"conda-forge={url}"]
    said: list[str] = []
    time = seconds(lambda: said.append(run(argv, cwd=folder, env=own_environment()).stderr))
    return time, said[0].count("conda solves again")


def _reason(error: ProgramError) -> str:
    return next((one for one in error.completed.stderr.splitlines() if one.startswith("error:")), str(error))[:200]

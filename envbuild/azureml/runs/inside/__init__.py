"""What a script of a run imports: copied into the run's folder, and run there by any Python from 3.8 on."""

from __future__ import annotations

import shutil
from pathlib import Path

import envbuild.serving

_HERE = Path(__file__).parent
SENDING = _HERE / "sending.py"
"""What runs a script on a cluster."""

_SHIM = Path(envbuild.serving.__file__).parent / "shim"


def lay_out(folder: Path) -> None:
    """Write the modules `azureml` and `envbuild` of a run to `folder`, which is to stand first on its PYTHONPATH.

    Where models lie is found as in a service; the run itself is `run_context.py`.
    """
    shutil.copytree(_HERE / "names", folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(_HERE / "run_context.py", folder / "azureml/core/run.py")
    shutil.copyfile(_SHIM / "azureml/core/model.py", folder / "azureml/core/model.py")

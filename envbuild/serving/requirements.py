"""What the server needs in an image beside Python, as requirement lines to be locked with everything else."""

from __future__ import annotations

# granian is the fast HTTP server; without it (no wheel, older Python) the standard library's serves.
SERVER = (
    "werkzeug>=2.3",
    "granian>=2; python_version >= '3.10'",
)
INFERENCE_SCHEMA = "inference-schema>=1.8"
OLDEST_PYTHON = (3, 8)
# What a driver imports, for no-code deployment; the model's own framework is pinned by whoever registered it.
DRIVERS = {
    "scikit-learn": ("scikit-learn", "joblib", "numpy", "pandas"),
    "onnx": ("onnxruntime", "numpy"),
    "tensorflow": ("tensorflow",),
    "mlflow": ("scikit-learn", "cloudpickle", "joblib", "numpy", "pandas"),
}


def server_requirements(script_text: str = "") -> tuple[str, ...]:
    """Return the requirement lines for a service; those of the schema package only where the script names it."""
    return (*SERVER, INFERENCE_SCHEMA) if "inference_schema" in script_text else SERVER

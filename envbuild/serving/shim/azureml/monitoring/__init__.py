"""`ModelDataCollector` of azureml-monitoring: what a script collects, as CSV files in a folder of this machine.

The folder is `ENVBUILD_MODEL_DATA`; where that is not set nothing is kept, as where Azure's collection is not enabled.
"""

from __future__ import annotations

import csv
import io
import os
import time
import uuid
from pathlib import Path
from typing import Any

_HEAD = ("$Timestamp", "$CorrelationId", "$RequestId")


class ModelDataCollector:
    """Collects rows into `<workspace>/<service>/<model>/<version>/<designation>/<year>/<month>/<day>/<name>.csv`."""

    def __init__(  # noqa: PLR0917 - the documented signature
        self,
        model_name: str,
        designation: str = "default",
        feature_names: Any = None,
        workspace: str = "default/default/default",
        webservice_name: str = "default",
        model_version: str = "default",
        collection_name: str = "default",
        **identifier: str,
    ) -> None:
        """Name the collection; what the service knows better (its name, the model's version) wins."""
        designation = identifier.get("identifier") or designation
        name = collection_name if designation in ("signals", "general") else designation
        folder = os.environ.get("ENVBUILD_MODEL_DATA", "")
        service = os.environ.get("SERVICE_NAME") or webservice_name
        workspace = os.environ.get("WORKSPACE_NAME") or workspace.rpartition("/")[2]
        version = _version(model_name) or model_version
        parts = [_safe(part) for part in (workspace, service, model_name, version, designation)]
        self._folder = Path(folder, *parts) if folder else None
        self._name = f"{_safe(name)}.csv"
        self._features = list(feature_names or ())

    def collect(self, input_data: Any, user_correlation_id: str = "") -> None:
        """Append rows: a list of them or one, a NumPy array, a pandas frame, a dict, or a single value."""
        if self._folder is None:
            return
        now = time.gmtime()
        path = self._folder / time.strftime("%Y/%m/%d", now) / self._name
        path.parent.mkdir(parents=True, exist_ok=True)
        features, rows = _rows(input_data)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            text = io.StringIO()
            write = csv.writer(text).writerow
            if os.fstat(file).st_size == 0:
                write([*_HEAD, *(self._features or features)])
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", now)
            for row in rows:
                write([stamp, user_correlation_id, str(uuid.uuid4()), *row])
            # one write: workers share the file
            os.write(file, text.getvalue().encode("utf-8"))
        finally:
            os.close(file)


def _rows(data: Any) -> tuple[list[Any], Any]:
    """Return the names of the columns, where the data have names, and the rows."""
    if hasattr(data, "columns") and hasattr(data, "values"):
        return list(data.columns), data.values.tolist()
    if hasattr(data, "tolist"):
        data = data.tolist()
    if isinstance(data, dict):
        return list(data), [list(data.values())]
    if isinstance(data, (list, tuple)):
        if data and all(isinstance(row, (list, tuple)) for row in data):
            return [], data
        return [], [data]
    return [], [[data]]


def _version(model_name: str) -> str:
    folder = Path(os.environ.get("AZUREML_MODEL_DIR", ""))
    return folder.name if folder.parent.name == model_name else ""


def _safe(part: object) -> str:
    return "".join(one if one.isalnum() or one in "._-" else "_" for one in str(part)).lstrip(".") or "default"

"""Loading a scoring script changes the process that loads it; tests that do it in their own process undo that."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def unchanged_process() -> Iterator[None]:
    """Put the environment, the import path and the documented import names back on leaving."""
    path, meta, modules, environ = list(sys.path), list(sys.meta_path), set(sys.modules), dict(os.environ)
    try:
        yield
    finally:
        sys.path[:], sys.meta_path[:] = path, meta
        for name in set(sys.modules) - modules:
            if name.split(".")[0] in ("azureml", "azureml_inference_server_http", "service_driver"):
                del sys.modules[name]
        for registry in ("__functions_schema__", "__versions__"):  # the schema package keeps one for each process
            getattr(sys.modules.get("inference_schema.schema_util"), registry, {}).clear()
        os.environ.clear()
        os.environ.update(environ)

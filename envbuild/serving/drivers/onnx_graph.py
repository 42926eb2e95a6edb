"""Serve an ONNX graph with onnxruntime.

Request: `{"data": […]}` for a graph with one input, or a value for each input under its name. Answer: each output
under its name.
"""

from __future__ import annotations

from typing import Any

from ..failures import RequestError  # noqa: TID252 - this folder has no absolute name
from .payload import find_one, model_folder, plain, read_object

_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}
session: Any = None


def init() -> None:
    """Load the one .onnx file below AZUREML_MODEL_DIR."""
    global session  # noqa: PLW0603 - the documented shape of a scoring script
    import onnxruntime  # type: ignore[import-not-found,import-untyped,unused-ignore]

    path = find_one(model_folder(), "ONNX file", "*.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=onnxruntime.get_available_providers())


def run(data: str) -> Any:
    """Run the graph on a request's values."""
    request = read_object(data)
    inputs = session.get_inputs()
    given = {inputs[0].name: request["data"]} if len(inputs) == 1 and "data" in request else request
    if isinstance(given.get("data"), dict):
        given = given["data"]
    feed = {wanted.name: _tensor(given, wanted) for wanted in inputs}
    outputs = session.run(None, feed)
    return {made.name: plain(value) for made, value in zip(session.get_outputs(), outputs)}


def _tensor(given: dict[str, Any], wanted: Any) -> Any:
    """Return the value of one input as an array of its type and rank."""
    import numpy as np

    if wanted.name not in given:
        raise RequestError(400, f"A value is not provided for the input {wanted.name!r}.")
    try:
        array = np.asarray(given[wanted.name], dtype=_TYPES.get(wanted.type))
    except (ValueError, TypeError, OverflowError) as error:
        raise RequestError(400, f"The input {wanted.name!r} takes {wanted.type}: {error}") from None
    fixed = list(wanted.shape)
    fits = len(fixed) == array.ndim and all(not isinstance(a, int) or a == b for a, b in zip(fixed, array.shape))
    if not fits:
        raise RequestError(
            400, f"The input {wanted.name!r} has the shape {list(array.shape)}; the model takes {fixed}."
        )
    return array


def example() -> dict[str, Any]:
    """Return a request as it could be, for the description of the service."""
    import numpy as np

    values = {}
    for wanted in session.get_inputs():
        shape = [size if isinstance(size, int) else 1 for size in wanted.shape]
        kind = _TYPES.get(wanted.type, "float32")
        values[wanted.name] = np.zeros(shape, dtype=kind).tolist() if kind != "object" else np.full(shape, "").tolist()
    return {"data": next(iter(values.values()))} if len(values) == 1 else values

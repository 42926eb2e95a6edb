"""Serve a TensorFlow SavedModel.

Request: `{"instances": […]}`, `{"inputs": …}` or `{"data": […]}`, with `signature_name` for another than
serving_default. Answer: `{"predictions": …}`, one entry for each instance, or `{"outputs": …}` for inputs.
"""

from __future__ import annotations

from typing import Any

from ..failures import RequestError, StartupError  # noqa: TID252 - this folder has no absolute name
from .payload import find_one, model_folder, plain, read_object

loaded: Any = None


def init() -> None:
    """Load the one SavedModel below AZUREML_MODEL_DIR."""
    global loaded  # noqa: PLW0603 - the documented shape of a scoring script
    import tensorflow as tf  # type: ignore[import-not-found,import-untyped,unused-ignore]

    loaded = tf.saved_model.load(str(find_one(model_folder(), "SavedModel", "saved_model.pb").parent))
    if not loaded.signatures:
        raise StartupError("the SavedModel has no signature to call; save it with one")


def run(data: str) -> Any:
    """Call a signature on a request's values."""
    request = read_object(data)
    name = request.get("signature_name", "serving_default")
    if name not in loaded.signatures:
        raise RequestError(400, f'"signature_name" is {name!r}; this model has: {", ".join(loaded.signatures)}')
    signature = loaded.signatures[name]
    specs = signature.structured_input_signature[1]
    if "inputs" in request:
        return {"outputs": _only_value(_call(signature, specs, _columns(request["inputs"], specs)))}
    instances = request.get("instances", request.get("data"))
    if not isinstance(instances, list) or not instances:
        raise RequestError(400, 'The body needs "instances" (or "data"), a list that is not empty, or "inputs".')
    return {"predictions": _by_instance(_call(signature, specs, _columns(_transposed(instances), specs)))}


def _transposed(instances: list[Any]) -> Any:
    """Return instances that are objects as one list for each input; others as they are."""
    if not all(isinstance(instance, dict) and instance.keys() == instances[0].keys() for instance in instances):
        return instances
    return {key: [instance[key] for instance in instances] for key in instances[0]}


def _columns(values: Any, specs: dict[str, Any]) -> dict[str, Any]:
    """Name the input of values that have no names."""
    if isinstance(values, dict):
        if values.keys() != specs.keys():
            raise RequestError(400, f"The inputs are {sorted(values)}; the model takes {sorted(specs)}.")
        return values
    if len(specs) != 1:
        raise RequestError(400, f"The model takes several inputs; name them: {sorted(specs)}")
    return {next(iter(specs)): values}


def _call(signature: Any, specs: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    import tensorflow as tf  # type: ignore[import-not-found,import-untyped,unused-ignore]

    try:
        tensors = {name: tf.constant(value, dtype=specs[name].dtype) for name, value in values.items()}
        _check_shapes(tensors, specs)
        return {name: plain(tensor.numpy()) for name, tensor in signature(**tensors).items()}
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        raise RequestError(400, f"The model does not take these values: {error}") from None


def _check_shapes(tensors: dict[str, Any], specs: dict[str, Any]) -> None:
    """A loaded signature does not do it itself.

    Raises:
        ValueError: when a tensor does not have the shape that the signature names.
    """
    for name, tensor in tensors.items():
        if not specs[name].shape.is_compatible_with(tensor.shape):
            raise ValueError(f"{name} has the shape {tensor.shape}, not {specs[name].shape}")


def _only_value(outputs: dict[str, Any]) -> Any:
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs


def _by_instance(outputs: dict[str, Any]) -> Any:
    """Return a list with one prediction for each instance."""
    if len(outputs) == 1:
        return next(iter(outputs.values()))
    return [dict(zip(outputs, values)) for values in zip(*outputs.values())]


def example() -> dict[str, Any]:
    """Return a request as it could be, for the description of the service."""
    return {"instances": []}

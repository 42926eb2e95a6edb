"""`Model.get_model_path`, for scripts that look for a model beside them."""

from model_paths import Model  # type: ignore[import-not-found]

__all__ = ["Model"]

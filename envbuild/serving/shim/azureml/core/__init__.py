"""The part of the SDK that scoring scripts use: where a registered model lies."""

from .model import Model

__all__ = ["Model"]

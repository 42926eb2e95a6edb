"""The base images that Azure names, as its SDK names them."""

from __future__ import annotations

_TAG = "20251130.v1"
DEFAULT_CPU_IMAGE = f"mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:{_TAG}"
# Azure's own SDK forgets the tag of this one, so that the image behind the name changes
DEFAULT_GPU_IMAGE = f"mcr.microsoft.com/azureml/openmpi5.0-cuda12.4-ubuntu22.04:{_TAG}"

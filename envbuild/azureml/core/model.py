"""`Model` and what packages and profiles one, under the module path that Azure gives them."""

from envbuild.azureml.models.model import Model
from envbuild.azureml.packaging.inference import InferenceConfig
from envbuild.azureml.packaging.package import ModelPackage
from envbuild.azureml.profiling.profile import ModelProfile

__all__ = ["InferenceConfig", "Model", "ModelPackage", "ModelProfile"]

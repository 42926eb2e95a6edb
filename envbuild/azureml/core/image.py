"""`Image`: what an environment's build is called in scripts that import it."""

from envbuild.azureml.environments.building import DockerImageDetails, ImageBuildDetails

Image = ImageBuildDetails
__all__ = ["DockerImageDetails", "Image", "ImageBuildDetails"]

"""From a plan to a build context: the Dockerfile and every file that it needs. Runs nothing and asks no network."""

from envbuild.render.make import SECRETS, Dialect, RenderOptions, render

__all__ = ["SECRETS", "Dialect", "RenderOptions", "render"]

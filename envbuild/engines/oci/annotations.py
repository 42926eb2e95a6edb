"""What a manifest says of how it was made: beside the image's configuration, never in it, so that equal content stays equal."""

KEY = "dev.envbuild.image-key"
SETTINGS = "dev.envbuild.settings"
BYTECODE = "dev.envbuild.bytecode"

PACKAGES = "dev.envbuild.packages"
"""On a layer: the packages in it, `name==version` with spaces between them."""

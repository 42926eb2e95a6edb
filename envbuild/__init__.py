"""envbuild: from an environment definition to a lock, an image, and a service."""

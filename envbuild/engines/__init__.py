"""From a plan or a context to an image: docker, podman, buildah, oci (no daemon) and local (a prefix on this machine)."""

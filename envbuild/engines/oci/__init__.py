"""The `oci` engine: from a plan to an image without a daemon, bit for bit the same on any machine."""

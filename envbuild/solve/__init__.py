"""From a definition to a lock: channels, package indexes and image registries are asked here and nowhere else."""

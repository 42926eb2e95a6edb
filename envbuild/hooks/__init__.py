"""What the pre-commit hooks ask, over all files of a repository at once: one process, offline, quick where nothing changed."""

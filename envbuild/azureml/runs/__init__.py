"""Runs: a script in an environment on a target, from v1's calls or v2's YAML."""

"""Models: registered under a name and a version, from v1's calls or v2's YAML."""

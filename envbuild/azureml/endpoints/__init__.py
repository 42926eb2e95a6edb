"""v2's endpoints and deployments, online and batch, and what a new version of a model sets off."""

"""The words and the arithmetic of envbuild: values and pure functions. Imports nothing of the project but itself."""

"""What a run sees of envbuild: small modules for any Python from 3.8 on, with the standard library alone."""

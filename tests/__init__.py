"""The tests of envbuild; `python -m tests` runs all of them."""

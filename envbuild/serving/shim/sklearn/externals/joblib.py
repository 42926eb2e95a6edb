# ruff: noqa: INP001 - scikit-learn itself has the packages above
"""Scripts of scikit-learn before 0.23 import joblib from here."""

import sys

import joblib

sys.modules[__name__] = joblib

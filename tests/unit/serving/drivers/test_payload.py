"""Predictions as plain values."""

from __future__ import annotations

import json

import pytest

from envbuild.serving.drivers.payload import plain


def test_arrays_and_frames_become_lists():
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    value = {
        "array": numpy.array([[1, 2]]),
        "scalar": numpy.float32(0.5),
        "frame": pandas.DataFrame({"a": [1], "b": ["x"]}),
        "series": pandas.Series([1, 2]),
        3: (numpy.int64(1), b"bytes"),
    }
    expected = {"array": [[1, 2]], "scalar": 0.5, "frame": [{"a": 1, "b": "x"}], "series": [1, 2], "3": [1, "bytes"]}
    assert json.loads(json.dumps(plain(value))) == expected

"""Rows of a request as the table that a model takes: an array, or a DataFrame where the model names its features."""

from __future__ import annotations

from typing import Any

from ..failures import RequestError  # noqa: TID252 - this folder has no absolute name


def make_table(rows: Any, model: Any) -> Any:
    """Return rows (lists of values, or objects with the feature names as keys) as the model's input.

    Raises:
        RequestError: 400 when the rows do not have the model's number or names of features.
    """
    if not isinstance(rows, list) or not rows:
        raise RequestError(400, '"data" must be a list of rows that is not empty.')
    names = getattr(model, "feature_names_in_", None)
    columns = [str(name) for name in names] if names is not None else None
    if isinstance(rows[0], dict):
        return _from_objects(rows, columns)
    _check_width(rows, getattr(model, "n_features_in_", None))
    if columns is not None:
        return _frame(rows, columns)
    import numpy as np

    try:
        return np.asarray(rows)
    except ValueError as error:
        raise RequestError(400, f'The rows of "data" cannot be read as an array: {error}') from None


def _from_objects(rows: list[Any], columns: list[str] | None) -> Any:
    wanted = columns or list(rows[0])
    for number, row in enumerate(rows):
        missing = [name for name in wanted if not isinstance(row, dict) or name not in row]
        if missing:
            raise RequestError(400, f'Row {number} of "data" has no value for: {", ".join(missing)}')
    return _frame([[row[name] for name in wanted] for row in rows], wanted)


def _check_width(rows: list[Any], width: int | None) -> None:
    for number, row in enumerate(rows):
        if width is not None and isinstance(row, list) and len(row) != width:
            raise RequestError(400, f'Row {number} of "data" has {len(row)} values; the model takes {width}.')


def _frame(rows: list[Any], columns: list[str]) -> Any:
    try:
        import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        import numpy as np

        return np.asarray(rows)
    try:
        return pd.DataFrame(rows, columns=columns)
    except ValueError as error:
        raise RequestError(400, f'The rows of "data" do not make a table: {error}') from None

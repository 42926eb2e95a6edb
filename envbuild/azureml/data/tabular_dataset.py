"""`TabularDataset`: delimited files as rows."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from envbuild.azureml.data.dataset_type_definitions import PromoteHeadersBehavior
from envbuild.azureml.data.registered import RegisteredData
from envbuild.core.errors import DefinitionError, Problem


class TabularDataset(RegisteredData):
    """Rows of delimited files. Options: `separator`, `header`, `infer_column_types`, `encoding`."""

    form = "tabular"

    @property
    def columns(self) -> list[str]:
        """The columns' names; `Column1`, `Column2`, … where the files have none."""
        return self._table()[0]

    def rows(self) -> list[list[Any]]:
        """Return all rows; with `infer_column_types` a column of numbers or of true and false holds those.

        Raises:
            DefinitionError: a row has another number of columns than the first.
        """
        names, rows = self._table()
        if not self.options.get("infer_column_types", True):
            return [list(row) for row in rows]
        columns = [_inferred([row[at] for row in rows]) for at in range(len(names))]
        return [list(row) for row in zip(*columns, strict=True)] if columns else []

    def take(self, count: int) -> list[list[Any]]:
        """Return the first `count` rows."""
        return self.rows()[:count]

    def to_pandas_dataframe(self) -> Any:
        """Return the rows as a data frame.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas as pd  # type: ignore[import-untyped]

        return pd.DataFrame(self.rows(), columns=self.columns)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        header = PromoteHeadersBehavior(self.options.get("header", PromoteHeadersBehavior.ALL_FILES_HAVE_SAME_HEADERS))
        names: list[str] = []
        rows: list[list[str]] = []
        for number, path in enumerate(self.paths):
            found = list(self._lines(path))
            if found and _has_header(header, number):
                first, *found = found
                names = names or first
            rows += found
        width = len(names) or (len(rows[0]) if rows else 0)
        for place, row in enumerate(rows, 1):
            if len(row) != width:
                raise DefinitionError(
                    Problem(message=f"row {place} has {len(row)} columns, the others {width}", file=str(self.paths[0]))
                )
        return names or [f"Column{at + 1}" for at in range(width)], rows

    def _lines(self, path: Path) -> Iterator[list[str]]:
        separator = self.options.get("separator", ",")
        with path.open(encoding=self.options.get("encoding", "utf-8-sig"), newline="") as file:
            if separator in ("\n", "\r\n"):
                # every line is one value, whatever is in it
                yield from ([line.rstrip("\r\n")] for line in file if line.strip())
            else:
                yield from (row for row in csv.reader(file, delimiter=separator) if row)


def _has_header(header: PromoteHeadersBehavior, number: int) -> bool:
    if header == PromoteHeadersBehavior.NO_HEADERS:
        return False
    return number == 0 or header != PromoteHeadersBehavior.ONLY_FIRST_FILE_HAS_HEADERS


def _inferred(column: Sequence[str]) -> list[Any]:
    if column and all(one.lower() in ("true", "false") for one in column):
        return [one.lower() == "true" for one in column]
    for kind in (int, float):
        try:
            values = [kind(one) if one else None for one in column]
        except ValueError:
            continue
        if all(one is None or math.isfinite(one) for one in values):
            return values
    return list(column)

"""The catalogue: what is registered, under which name and version. SQLite in WAL mode; every change is one transaction.

Every kind of thing that has versions (an environment, a model, a dataset) is an *asset*: an immutable document with
mutable tags and description. What has a life (a run, a service, an image build) is a *record*: a mutable document.
A version is a text; those that are given by themselves count 1, 2, 3, and *latest* is the one that was registered last.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from envbuild.core.errors import WorkspaceError
from envbuild.core.keys import canonical, sha256

_SCHEMA = """
CREATE TABLE IF NOT EXISTS asset (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, identity TEXT NOT NULL,
    document TEXT NOT NULL, description TEXT NOT NULL, tags TEXT NOT NULL, properties TEXT NOT NULL,
    archived INTEGER NOT NULL DEFAULT 0, created TEXT NOT NULL,
    UNIQUE (kind, name, version)
);
CREATE TABLE IF NOT EXISTS container (
    kind TEXT NOT NULL, name TEXT NOT NULL, archived INTEGER NOT NULL, highest INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
);
CREATE TABLE IF NOT EXISTS label (
    kind TEXT NOT NULL, name TEXT NOT NULL, label TEXT NOT NULL, version TEXT NOT NULL,
    PRIMARY KEY (kind, name, label)
);
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL, changed TEXT NOT NULL,
    PRIMARY KEY (kind, name)
);
"""

_NEWEST = "ORDER BY number DESC"
_DIGITS = 19
"""Fewer digits than this fit into SQLite's integers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One version of something registered. `document` never changes; `created` is RFC 3339 in UTC."""

    kind: str
    name: str
    version: str
    document: Mapping[str, object]
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    archived: bool = False
    created: str = ""

    @property
    def id(self) -> str:
        """`name:version`."""
        return f"{self.name}:{self.version}"


class Catalogue:
    """The catalogue in the SQLite file `path`. Several processes may use it at once."""

    def __init__(self, path: Path) -> None:
        """Open the catalogue, making it when it is not there.

        Raises:
            WorkspaceError: the file cannot be opened or is not a catalogue.
        """
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_SCHEMA)

    def register(
        self,
        kind: str,
        name: str,
        document: Mapping[str, object],
        *,
        version: int | str | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        reuse: bool = True,
    ) -> Asset:
        """Register `document` as the next version, or as `version`; with `reuse` an identical latest one is returned instead.

        Raises:
            WorkspaceError: `version` exists with another document.
        """
        identity = sha256(canonical(document))
        with self._write() as connection:
            latest = self._rows(connection, kind, name, f"{_NEWEST} LIMIT 1")
            same = latest if version is None else self._rows(connection, kind, name, "AND version = ?", str(version))
            if same and (reuse or version is not None):
                if same[0][1] == identity:
                    return same[0][0]
                if version is not None:
                    raise WorkspaceError(
                        f"{kind} {name} version {version} exists with another definition",
                        hint="versions are immutable; leave the version out to get the next one",
                    )
            container = connection.execute(
                "SELECT archived, highest FROM container WHERE kind = ? AND name = ?", (kind, name)
            ).fetchone() or (0, 0)
            # a deleted version's number is never given again
            chosen = str(version if version is not None else container[1] + 1)
            asset = Asset(
                kind=kind,
                name=name,
                version=chosen,
                document=document,
                description=description,
                tags=dict(tags or {}),
                properties=dict(properties or {}),
                archived=bool(container[0]),
                created=_now(),
            )
            self._insert(connection, asset, identity)
            connection.execute(
                "INSERT INTO container VALUES (?, ?, 0, ?) ON CONFLICT DO UPDATE SET highest = max(highest, excluded.highest)",
                (kind, name, int(chosen) if chosen.isdecimal() and len(chosen) < _DIGITS else 0),
            )
        return asset

    def get(self, kind: str, name: str, version: int | str | None = None, label: str = "") -> Asset:
        """Return one version: `version`, the one under `label`, or the latest that is not archived (else the latest).

        Raises:
            WorkspaceError: there is none.
        """
        with self._open() as connection:
            if label and label != "latest":
                row = connection.execute(
                    "SELECT version FROM label WHERE kind = ? AND name = ? AND label = ?", (kind, name, label)
                ).fetchone()
                if row is None:
                    raise WorkspaceError(f"{kind} {name} has no label {label!r}")
                version = str(row[0])
            if version is not None:
                rows = self._rows(connection, kind, name, "AND version = ?", str(version))
            else:
                rows = self._rows(connection, kind, name, "ORDER BY archived, number DESC LIMIT 1")
        if not rows:
            wanted = f"{name}:{version}" if version is not None else name
            raise WorkspaceError(
                f"there is no {kind} {wanted} in this workspace", hint=f"`envbuild {kind} list` shows what there is"
            )
        return rows[0][0]

    def assets(self, kind: str, name: str = "", *, archived: bool = False) -> list[Asset]:
        """Return all versions of `name`, or the latest of each name, sorted by name and version; archived ones on request."""
        with self._open() as connection:
            clause = "SELECT name FROM container WHERE kind = ? ORDER BY name"
            names = [name] if name else [row[0] for row in connection.execute(clause, (kind,))]
            hidden = "" if archived else "AND archived = 0"
            order = "ORDER BY number" if name else f"{_NEWEST} LIMIT 1"
            return [row[0] for one in names for row in self._rows(connection, kind, one, f"{hidden} {order}")]

    def change(
        self,
        asset: Asset,
        *,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        archived: bool | None = None,
    ) -> Asset:
        """Change what may change of one version, and return it as it is now."""
        changes = {
            "description": description,
            "tags": None if tags is None else json.dumps(dict(tags), sort_keys=True),
            "properties": None if properties is None else json.dumps(dict(properties), sort_keys=True),
            "archived": None if archived is None else int(archived),
        }
        with self._write() as connection:
            for column, value in changes.items():
                if value is not None:
                    connection.execute(
                        f"UPDATE asset SET {column} = ? WHERE kind = ? AND name = ? AND version = ?",  # noqa: S608
                        (value, asset.kind, asset.name, asset.version),
                    )
        return self.get(asset.kind, asset.name, asset.version)

    def archive_all(self, kind: str, name: str, *, archived: bool) -> None:
        """Archive or restore every version of `name`; later versions are born as the container is."""
        self.get(kind, name)
        with self._write() as connection:
            for table in ("asset", "container"):
                connection.execute(
                    f"UPDATE {table} SET archived = ? WHERE kind = ? AND name = ?",  # noqa: S608
                    (int(archived), kind, name),
                )

    def delete(self, kind: str, name: str, version: int | str) -> None:
        """Delete one version and the labels on it.

        Raises:
            WorkspaceError: there is none.
        """
        self.get(kind, name, version)
        with self._write() as connection:
            for table in ("asset", "label"):
                connection.execute(
                    f"DELETE FROM {table} WHERE kind = ? AND name = ? AND version = ?",  # noqa: S608
                    (kind, name, str(version)),
                )

    def is_archived(self, kind: str, name: str) -> bool:
        """Tell whether all of `name` was archived, so that later versions are born archived."""
        with self._open() as connection:
            clause = "SELECT archived FROM container WHERE kind = ? AND name = ?"
            row = connection.execute(clause, (kind, name)).fetchone()
        return bool(row and row[0])

    def label(self, kind: str, name: str, version: int | str, labels: list[str]) -> None:
        """Put `labels` on one version; each leaves the version that it was on."""
        self.get(kind, name, version)
        with self._write() as connection:
            connection.executemany(
                "INSERT INTO label VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version",
                [(kind, name, one, str(version)) for one in labels],
            )

    def labels(self, kind: str, name: str) -> dict[str, str]:
        """Return the labels of `name` and their versions."""
        with self._open() as connection:
            clause = "SELECT label, version FROM label WHERE kind = ? AND name = ? ORDER BY label"
            return {str(label): str(version) for label, version in connection.execute(clause, (kind, name))}

    def put_record(self, kind: str, name: str, document: Mapping[str, object]) -> None:
        """Keep `document` as the record `name`, in place of an earlier one."""
        with self._write() as connection:
            connection.execute(
                "INSERT INTO record VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET document = excluded.document, changed = excluded.changed",
                (kind, name, json.dumps(document, sort_keys=True), _now()),
            )

    def change_record(self, kind: str, name: str, values: Mapping[str, object]) -> None:
        """Write `values` over those of the record `name`, in one step; it is made when it is not there."""
        with self._write() as connection:
            clause = "SELECT document FROM record WHERE kind = ? AND name = ?"
            row = connection.execute(clause, (kind, name)).fetchone()
            merged = {**(json.loads(row[0]) if row else {}), **values}
            connection.execute(
                "INSERT INTO record VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET document = excluded.document, changed = excluded.changed",
                (kind, name, json.dumps(merged, sort_keys=True), _now()),
            )

    def record(self, kind: str, name: str) -> dict[str, object] | None:
        """Return a record, or None."""
        with self._open() as connection:
            clause = "SELECT document FROM record WHERE kind = ? AND name = ?"
            row = connection.execute(clause, (kind, name)).fetchone()
        return json.loads(row[0]) if row else None

    def records(self, kind: str) -> dict[str, dict[str, object]]:
        """Return all records of a kind by name."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT name, document FROM record WHERE kind = ? ORDER BY name", (kind,)
            ).fetchall()
        return {name: json.loads(document) for name, document in rows}

    def delete_record(self, kind: str, name: str) -> None:
        """Forget a record, if there is one."""
        with self._write() as connection:
            connection.execute("DELETE FROM record WHERE kind = ? AND name = ?", (kind, name))

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        except sqlite3.Error as error:
            raise WorkspaceError(f"{self._path} cannot be opened: {error}") from error
        try:
            yield connection
        except sqlite3.Error as error:
            raise WorkspaceError(f"{self._path} cannot be used: {error}") from error
        finally:
            connection.close()

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._open() as connection:
            # IMMEDIATE takes the write lock first, so that what is read inside cannot change before it is written
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @staticmethod
    def _insert(connection: sqlite3.Connection, asset: Asset, identity: str) -> None:
        connection.execute(
            "INSERT INTO asset VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                asset.kind,
                asset.name,
                asset.version,
                identity,
                json.dumps(asset.document, ensure_ascii=False),
                asset.description,
                json.dumps(asset.tags, sort_keys=True),
                json.dumps(asset.properties, sort_keys=True),
                int(asset.archived),
                asset.created,
            ),
        )

    @staticmethod
    def _rows(
        connection: sqlite3.Connection, kind: str, name: str, clause: str, *values: object
    ) -> list[tuple[Asset, str]]:
        columns = "version, identity, document, description, tags, properties, archived, created"
        query = f"SELECT {columns} FROM asset WHERE kind = ? AND name = ? {clause}"  # noqa: S608
        return [
            (
                Asset(
                    kind=kind,
                    name=name,
                    version=version,
                    document=json.loads(document),
                    description=description,
                    tags=json.loads(tags),
                    properties=json.loads(properties),
                    archived=bool(archived),
                    created=created,
                ),
                identity,
            )
            for version, identity, document, description, tags, properties, archived, created in connection.execute(
                query, (kind, name, *values)
            )
        ]


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

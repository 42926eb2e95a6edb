"""`envbuild audit` against databases of our own making: every form of file, every kind of range, and what is no database."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from envbuild.audit import is_affected, read_database
from envbuild.cli.main import run
from envbuild.core.errors import EnvbuildError
from tests.support.locked_project import project


def advisory(name: str, *events: dict[str, str], identity: str = "OSV-1", **more: object) -> dict[str, object]:
    affected = {
        "package": {"ecosystem": "PyPI", "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": list(events)}],
    }
    return {"id": identity, "summary": "Reads\nall files", "aliases": ["CVE-1"], "affected": [affected], **more}


BAD = advisory("Alpha", {"introduced": "0"}, {"fixed": "1.1"})
ELSE = advisory("other", {"introduced": "0"}, identity="OSV-2")
GONE = advisory("alpha", {"introduced": "0"}, identity="OSV-3", withdrawn="2024-01-01T00:00:00Z")


def written(path: Path, *entries: dict[str, object]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for entry in entries:
                archive.writestr(f"{entry['id']}.json", json.dumps(entry))
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    else:
        path.write_text(json.dumps(list(entries)))
    return path


@pytest.mark.parametrize("name", ["osv.zip", "osv.jsonl", "osv.json"])
def test_an_advisory_is_found_in_every_form_of_database(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    definition = project(tmp_path / "p")
    database = written(tmp_path / name, BAD, ELSE, GONE)
    assert run(["audit", "--json", "--database", str(database), str(definition)]) == 1
    (found,) = json.loads(capsys.readouterr().out)["found"]
    assert found == {
        "id": "OSV-1",
        "aliases": ["CVE-1"],
        "package": "alpha",
        "version": "1.0",
        "summary": "Reads all files",
        "fixed": ["1.1"],
    }
    assert run(["audit", "--database", str(database), str(tmp_path / "p/pylock.toml")]) == 1
    assert "alpha 1.0: OSV-1 Reads all files; fixed in 1.1" in capsys.readouterr().out


def test_nothing_known_is_a_yes(tmp_path: Path) -> None:
    definition = project(tmp_path / "p")
    assert run(["audit", "--database", str(written(tmp_path / "osv.zip", ELSE, GONE)), str(definition)]) == 0


@pytest.mark.parametrize(
    ("version", "events", "expected"),
    [
        ("1.0", [{"introduced": "0"}], True),
        ("1.0", [{"introduced": "0"}, {"fixed": "1.0"}], False),
        ("1.0rc1", [{"introduced": "0"}, {"fixed": "1.0"}], True),
        ("1.0", [{"introduced": "0"}, {"last_affected": "1.0"}], True),
        ("1.0.1", [{"introduced": "0"}, {"last_affected": "1.0"}], False),
        ("1.10", [{"introduced": "1.9"}, {"fixed": "1.11"}], True),
        ("2.5", [{"fixed": "2.0"}, {"introduced": "2.4"}, {"introduced": "0"}, {"fixed": "2.6"}], True),
        ("2.2", [{"introduced": "0"}, {"fixed": "2.0"}, {"introduced": "2.4"}], False),
        ("1.0", [{"introduced": "not a version"}], False),
    ],
)
def test_ranges_are_walked_in_the_order_of_their_versions(
    version: str, events: list[dict[str, str]], *, expected: bool
) -> None:
    assert is_affected(version, {"ranges": [{"type": "ECOSYSTEM", "events": events}]}) is expected


def test_listed_versions_are_compared_as_versions() -> None:
    assert is_affected("1.0", {"versions": ["1.0.0"]})
    assert not is_affected("1.0", {"versions": ["1.0.1"], "ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]})


@pytest.mark.parametrize("content", ["", "nonsense", "[1]", "{}", '[{"id": 1}]', "[" * 100_000, "PK\x03\x04 damaged"])
def test_what_is_no_database_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "osv"
    path.write_text(content)
    if content == "":
        assert list(read_database(path)) == []
        return
    with pytest.raises(EnvbuildError):
        list(read_database(path))


def test_a_lock_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert run(["audit", "--database", str(written(tmp_path / "osv.zip", BAD)), str(tmp_path)]) == 4

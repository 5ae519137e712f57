"""A root whose record an earlier moss wrote in another form is refused in words, and left alone."""

import json
import sqlite3
from pathlib import Path

import apsw
import pytest

from moss.db.connection import open_record, told_in_words
from moss.errors import FormatTooOld
from tests.cli.conftest import Moss
from tests.cli.shop import Shop


@pytest.fixture
def old(tmp_path: Path, moss: Moss) -> Shop:
    shop = Shop(tmp_path)
    shop.add("tool", "1")
    shop.open()
    assert moss(*shop.said("install", "-y", "tool")).exit_code == 0
    with sqlite3.connect(shop.root / ".moss/db/moss.db") as record:
        record.execute("PRAGMA foreign_keys = OFF")
        record.execute("ALTER TABLE generation DROP COLUMN path_filter")
        record.execute("DROP TABLE hold")
    record.close()
    return shop


@pytest.mark.parametrize(
    "words",
    [
        ("state", "list"), ("update", "-n"), ("install", "-y", "tool"), ("verify",), ("verify", "--fix", "-y"),
        ("doctor",), ("state", "prune", "-y"), ("export", "-o", "x"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_command_that_needs_what_is_otherwise_says_so(
    old: Shop, moss: Moss, words: tuple[str, ...], tmp_path: Path
) -> None:
    words = tuple(str(tmp_path / "x") if word == "x" else word for word in words)
    ended = moss(*old.said(*words, "--json"))
    assert ended.exit_code == 11, ended
    error = json.loads(ended.out)["error"]
    assert error["code"] == "FORMAT_TOO_OLD" and "was written by an earlier moss" in error["message"]
    assert len(error["suggestions"]) == 2
    assert (old.root / "usr/.stateID").read_text() == "1\n"


def test_a_wrong_statement_on_a_sound_record_is_mosss_own_fault(tmp_path: Path) -> None:
    path = str(tmp_path / "moss.db")
    record = open_record(path, writable=True)
    with pytest.raises(apsw.SQLError), told_in_words(path):
        record.connection.execute("SELECT * FROM there_is_none")
    record.connection.execute("DROP TABLE hold")
    with pytest.raises(FormatTooOld), told_in_words(path):
        record.connection.execute("SELECT * FROM hold")

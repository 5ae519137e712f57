"""The record: migrations, what SQLite refuses for us, and files that are no databases."""

from pathlib import Path

import apsw
import pytest

import moss.db.connection as opening
from moss.capability import Capability
from moss.db.connection import open_record, open_repository_cache
from moss.db.statements import metadata_from, metadata_later, statement_of
from moss.errors import CorruptData, FormatTooNew, PermissionRefused
from moss.package import Metadata, Relations
from solver.formula import parse_formula, parse_relation
from solver.model import Provide
from solver.values import replace
from solver.version import Scheme
from tests.builders import metadata


def tables(path: Path) -> set[str]:
    connection = apsw.Connection(str(path))
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    connection.close()
    return found


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chain of migrations of the test's own."""
    folder = tmp_path / "schema" / "sql"
    folder.mkdir(parents=True)
    (folder / "0001_first.sql").write_text("CREATE TABLE one (x INTEGER) STRICT; INSERT INTO one VALUES (1);")
    monkeypatch.setattr(
        opening, "schema_texts", lambda _: tuple(path.read_text() for path in sorted(folder.glob("*.sql")))
    )
    return folder


def test_a_new_record_runs_the_whole_chain_and_an_old_one_the_rest(tmp_path: Path, scripts: Path) -> None:
    path = tmp_path / "moss.db"
    open_record(str(path), writable=True).close()
    assert tables(path) == {"one"}
    (scripts / "0002_second.sql").write_text("CREATE TABLE two (x INTEGER) STRICT; DELETE FROM one;")
    open_record(str(path), writable=True).close()
    assert tables(path) == {"one", "two"}
    open_record(str(path), writable=True).close()  # and again does nothing


def test_a_failed_migration_leaves_nothing(tmp_path: Path, scripts: Path) -> None:
    path = tmp_path / "moss.db"
    open_record(str(path), writable=True).close()
    (scripts / "0002_second.sql").write_text("CREATE TABLE two (x INTEGER) STRICT;")
    (scripts / "0003_third.sql").write_text("CREATE TABLE three (x INTEGER); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(apsw.SQLError):
        open_record(str(path), writable=True)
    assert tables(path) == {"one"}


def test_a_record_of_a_newer_moss_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "moss.db"
    open_record(str(path), writable=True).close()
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    for writable in (True, False):
        with pytest.raises(FormatTooNew, match="999"):
            open_record(str(path), writable=writable)


def test_a_reader_of_an_older_record_migrates_a_copy_in_memory(tmp_path: Path, scripts: Path) -> None:
    path = tmp_path / "moss.db"
    open_record(str(path), writable=True).close()
    (scripts / "0002_second.sql").write_text("CREATE TABLE two (x INTEGER) STRICT;")
    with_two = open_record(str(path), writable=False)
    assert with_two.connection.execute("SELECT count(*) FROM two").fetchone() == (0,)
    assert with_two.connection.execute("SELECT x FROM one").fetchone() == (1,)
    with_two.close()
    assert tables(path) == {"one"}


def test_a_reader_of_no_record_gets_an_empty_one_and_makes_no_file(tmp_path: Path) -> None:
    record = open_record(str(tmp_path / "moss.db"), writable=False)
    assert record.connection.execute("SELECT count(*) FROM generation").fetchone() == (0,)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("writable", [True, False])
def test_a_file_that_is_no_database_is_told_and_left_alone(tmp_path: Path, writable: bool) -> None:
    path = tmp_path / "moss.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(CorruptData, match=r"moss\.db") as caught:
        open_record(str(path), writable=writable)
    assert caught.value.exit_code == 7
    assert path.read_bytes().startswith(b"this is no database")


def test_a_record_in_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PermissionRefused):
        open_record(str(tmp_path / "nowhere" / "moss.db"), writable=True)


def test_a_cache_of_another_version_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "repositories.db"
    open_repository_cache(str(path), writable=True).close()
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version = 999; CREATE TABLE odd (x)").fetchall()
    connection.execute("CREATE TABLE IF NOT EXISTS odd (x)")
    connection.close()
    reader = open_repository_cache(str(path), writable=False)
    assert reader.connection.execute("SELECT count(*) FROM candidate").fetchone() == (0,)
    reader.close()
    assert "odd" in tables(path)
    open_repository_cache(str(path), writable=True).close()
    assert "odd" not in tables(path)


IMPOSSIBLE = [
    "INSERT INTO package VALUES (1, 'short', 'k', 'n', '1', 1, 1, 'x', 'deb', '{}', '', 0, 0, NULL)",
    "INSERT INTO package VALUES (1, printf('%064d', 1), 'k', 'n', '1', 1, 1, 'x', 'odd', '{}', '', 0, 0, NULL)",
    "INSERT INTO package VALUES (1, printf('%064d', 1), 'k', 'n', '1', 1, 1, 'x', 'deb', 'no json', '', 0, 0, NULL)",
    "INSERT INTO asset VALUES (1, x'00', 420, 0, 0, x'', 0, 1)",
    "INSERT INTO asset VALUES (1, zeroblob(16), 65536, 0, 0, x'', 0, 1)",
    "INSERT INTO asset VALUES (1, zeroblob(16), 420, 0, 0, x'', 0, 2)",
    "INSERT INTO layout VALUES (99, 'bin/x', 2, 41471, 0, 0, NULL, 'y')",
    "INSERT INTO selection VALUES (99, 99, '{}')",
    "INSERT INTO active VALUES (2, 1)",
    "INSERT INTO journal VALUES (1, 'x', 'x', NULL, NULL, 'done', 0, NULL)",
    "INSERT INTO journal VALUES (1, 'x', 'x', NULL, NULL, 'elsewhere', 0, NULL)",
]


@pytest.mark.parametrize("statement", IMPOSSIBLE)
def test_what_must_never_be_is_refused_by_the_database_itself(tmp_path: Path, statement: str) -> None:
    record = open_record(str(tmp_path / "moss.db"), writable=True)
    with pytest.raises(apsw.ConstraintError):
        record.connection.execute(statement)
    record.close()


def test_only_one_transaction_can_be_under_way(tmp_path: Path) -> None:
    record = open_record(str(tmp_path / "moss.db"), writable=True)
    begin = "INSERT INTO journal (operation, command, phase, started_at) VALUES ('x', 'x', 'staging', 0)"
    record.connection.execute(begin)
    with pytest.raises(apsw.ConstraintError):
        record.connection.execute(begin)
    record.close()


def test_what_a_package_says_survives_the_record_unchanged() -> None:
    metadata = Metadata(
        name="tool", version="1:2.0~rc1", release=1, build_release=1, architecture="x86_64", summary="Ünïcode",
        description="several\nlines", homepage="https://example.org", source_id="src", licenses=("MIT", "Zlib"),
        depends=(Capability.parse("libc6"), Capability.parse("soname(libz.so.1(x86_64))")),
        provides=(Capability.parse("binary(tool)"),), conflicts=(Capability.parse("other"),),
        scheme=Scheme.DEB, source_digest="sha256:" + "0" * 64,
        rich_relations=Relations(
            depends=(parse_formula("libc6 (>= 2.36)"), parse_formula("a | b:any")),
            recommends=(parse_formula("c"),), supplements=(parse_formula("d & e"),),
            provides=(Provide("virtual", "2"), Provide("binary(tool)", None)),
            conflicts=(parse_relation("old (< 1)"),), breaks=(parse_relation("older"),),
            replaces=(parse_relation("old"),),
        ),
    )  # fmt: skip
    text = statement_of(metadata)
    assert metadata_from("tool", "1:2.0~rc1", 1, 1, "x86_64", "deb", text) == metadata
    plain = Metadata("t", "1", 1, 1, "noarch")
    assert metadata_from("t", "1", 1, 1, "noarch", "stone", statement_of(plain)) == plain


def test_a_log_that_is_left_is_moved_in_by_the_next(tmp_path: Path) -> None:
    path, log = tmp_path / "moss.db", tmp_path / "moss.db-wal"
    open_record(str(path), writable=True).close()
    record = open_record(str(path), writable=True)
    record.connection.execute("INSERT INTO setting VALUES ('retention', 7)")
    record.leave_log()
    record.close()
    assert log.stat().st_size > 0
    record = open_record(str(path), writable=True)
    assert record.connection.execute("SELECT value FROM setting").fetchall() == [(7,)]
    record.close()
    assert not log.exists()


@pytest.mark.parametrize("first", Metadata._fields)  # type: ignore[attr-defined]
def test_what_is_read_later_says_the_same(first: str) -> None:
    relations = Relations(depends=(parse_formula("lib (>= 1)"),))
    about = replace(metadata("tool", "1:2", relations=relations), scheme=Scheme.DEB)
    row = ("tool", "1:2", 1, 1, "x86_64", "deb", statement_of(about))
    assert metadata_from(*row) == about
    assert getattr(metadata_later(*row), first) == getattr(about, first)
    assert metadata_later(*row).label == about.label == "tool 1:2"

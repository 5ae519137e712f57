"""The copy of the record: a database of its own, brought up to date by what changed and nothing more.

The first copy is made aside, whole, and renamed. From then on rows are carried over:

    package, asset, layout   by package: those that came and those that went; rows per file only of these
    cut, omitted             by cut, likewise
    wish, pin, hold, switch  by generation, likewise: they are of every generation there ever was
    leaving, unneeded        not at all: what nobody needs is not carried, and its files are found without that
    all other tables         by difference, row for row: they are small

The copy has the record's tables, and of its indexes and triggers only the texts, in a table of its own (`left_out`):
who looks into it reads all of it, and half of what a change writes into a record are indexes. They are made when
the copy becomes a record again.

The copy is written in one transaction, so it is always one state of the record. It lies outside the record's
directory, so that what takes one away does not take the other. docs/decisions/0012-the-copy-of-the-record.md.
"""

import os
from contextlib import closing

import apsw

from moss.db import soundness
from moss.db.connection import APPLICATION_ID, REMEDY, Database
from moss.effects import Effects
from moss.errors import CorruptData

_BY_PACKAGE = ("package", "asset", "layout")
_BY_CUT = ("cut", "omitted")
_BY_GENERATION = ("wish", "pin", "hold", "switch")
_NOT_CARRIED = ("leaving", "unneeded")
_ASSETS = (
    "SELECT id, digest, permissions, uid, gid, xattrs, size, 0 FROM record.asset"
    " WHERE EXISTS (SELECT 1 FROM record.layout WHERE layout.asset = asset.id)"
)
"""Those that some layout has, all settled."""


def update_copy(record: Database, path: str, effects: Effects) -> None:
    """Make the copy at `path` what the record is. Nothing may be writing the record meanwhile.

    CorruptData where the record is damaged: then the copy stays as it is.
    """
    if not _carry_over(record, path):
        wrong = soundness.faults(record, quick=True)
        if wrong:
            raise CorruptData(
                f"is damaged: {wrong[0]}", file=record.path, because=wrong[1:], remedies=[REMEDY]
            )
        _copy_whole(record, path, effects)
    effects.commit_point("record copied")


def _copy_whole(record: Database, path: str, effects: Effects) -> None:
    """Aside, durable, and only then under its name."""
    aside = f"{path}.moss-new"
    for name in (aside, f"{aside}-journal", f"{path}-journal"):
        if os.path.lexists(name):
            effects.unlink(name)
    with closing(apsw.Connection(aside)) as copy:
        copy.execute("PRAGMA journal_mode = OFF")  # nobody reads it before it is complete, and durable as a file
        copy.execute("PRAGMA synchronous = OFF")
        copy.execute("ATTACH ? AS record", (record.path,))
        with copy:
            _make_tables(copy)
            for table in _tables(copy):
                copy.execute(f"DELETE FROM main.{table}")
                if table not in _NOT_CARRIED:
                    rows = _ASSETS if table == "asset" else f"SELECT * FROM record.{table}"
                    copy.execute(f"INSERT INTO main.{table} {rows}")
    effects.chmod(aside, 0o600)
    effects.fsync(aside)
    effects.rename(aside, path)
    effects.fsync(os.path.dirname(path))


def restored(copy: str, path: str) -> bool:
    """Make a new record at `path` out of a copy, for the caller to make durable; False when the copy is damaged
    itself, or none."""
    if not os.path.exists(copy):
        return False
    try:
        with closing(apsw.Connection(copy, flags=apsw.SQLITE_OPEN_READWRITE)) as source:
            if source.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]:
                return False
            with closing(apsw.Connection(path)) as target:
                with target.backup("main", source, "main") as backup:
                    backup.step()
                with target:
                    for sql in _texts(target, "SELECT sql FROM left_out ORDER BY rowid"):
                        target.execute(sql)
                    target.execute("DROP TABLE left_out")
    except (apsw.CorruptError, apsw.NotADBError, apsw.IOError, apsw.SQLError):
        return False
    return True


def _carry_over(record: Database, path: str) -> bool:
    """False when there is no copy, or none that can be trusted to be an earlier state of this record."""
    if not os.path.exists(path):
        return False
    try:
        with closing(apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)) as copy:
            copy.execute("PRAGMA synchronous = FULL")
            copy.execute("PRAGMA temp_store = MEMORY")
            copy.execute("PRAGMA cache_size = -32768")  # what does not fit is written twice, and synced
            copy.execute("ATTACH ? AS record", (record.path,))
            if _shape(copy) != _shape_of_record(copy):
                return False
            with copy:
                _carry_packages(copy)
                _carry_models(copy)
                for table in _tables(copy):
                    if table not in (*_BY_PACKAGE, *_BY_CUT, *_BY_GENERATION, *_NOT_CARRIED):
                        _carry_table(copy, table)
                _carry_cuts(copy)
    except (apsw.CorruptError, apsw.NotADBError, apsw.ConstraintError, apsw.SQLError):
        return False
    return True


Shape = tuple[object, list[str], list[str]]
"""Of a copy and its record: the version of the schema, the texts of the tables, and of what a copy leaves out."""

_TABLES = "SELECT sql FROM {}.sqlite_schema WHERE type = 'table' AND sql IS NOT NULL AND {} ORDER BY rowid"
_LEFT_OUT = "SELECT sql FROM record.sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL ORDER BY rowid"


def _shape_of_record(copy: apsw.Connection) -> Shape:
    tables = _texts(copy, _TABLES.format("record", "name NOT LIKE 'sqlite_%'"))
    return copy.pragma("user_version", schema="record"), tables, _texts(copy, _LEFT_OUT)


def _shape(copy: apsw.Connection) -> Shape:
    """SQLError where it is another database altogether."""
    tables = _texts(copy, _TABLES.format("main", "name NOT LIKE 'sqlite_%' AND name <> 'left_out'"))
    return copy.pragma("user_version"), tables, _texts(copy, "SELECT sql FROM main.left_out ORDER BY rowid")


def _make_tables(copy: apsw.Connection) -> None:
    version, tables, left_out = _shape_of_record(copy)
    for sql in tables:
        copy.execute(sql)
    copy.execute("CREATE TABLE left_out (sql TEXT NOT NULL) STRICT")
    copy.executemany("INSERT INTO left_out VALUES (?)", ((sql,) for sql in left_out))
    copy.execute(f"PRAGMA user_version = {version}")
    copy.execute(f"PRAGMA main.application_id = {APPLICATION_ID}")


def _tables(copy: apsw.Connection) -> list[str]:
    """The names of those that the record has too."""
    return _texts(
        copy,
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name <> 'left_out'"
        " AND (name NOT LIKE 'sqlite_%' OR name = 'sqlite_sequence') ORDER BY name",
    )


def _texts(copy: apsw.Connection, query: str) -> list[str]:
    return [str(text) for (text,) in copy.execute(query)]


def _carry_packages(copy: apsw.Connection) -> None:
    """Rows of packages are never changed; a number may be given again, so the digest decides."""
    same = "SELECT 1 FROM {} WHERE {}.id = package.id AND {}.digest = package.digest"
    gone = _numbers(copy, f"SELECT id FROM package WHERE NOT EXISTS ({same.format('record.package AS r', 'r', 'r')})")
    come = _numbers(
        copy, f"SELECT id FROM record.package WHERE NOT EXISTS ({same.format('main.package AS m', 'm', 'm')})"
    )
    copy.execute("CREATE TEMP TABLE touched (asset INTEGER PRIMARY KEY)")
    touch = "INSERT OR IGNORE INTO touched SELECT asset FROM {}.layout WHERE package = ? AND asset IS NOT NULL"
    for package in gone:
        copy.execute(touch.format("main"), (package,))
        for table in ("layout", "omitted", "cut"):
            copy.execute(f"DELETE FROM main.{table} WHERE package = ?", (package,))
        copy.execute("DELETE FROM main.package WHERE id = ?", (package,))
    for package in come:
        copy.execute(touch.format("record"), (package,))
        copy.execute("INSERT INTO main.package SELECT * FROM record.package WHERE id = ?", (package,))
        copy.execute("INSERT INTO main.layout SELECT * FROM record.layout WHERE package = ?", (package,))
    copy.execute("DELETE FROM main.asset WHERE id IN (SELECT asset FROM touched)")
    copy.execute(f"INSERT OR REPLACE INTO main.asset {_ASSETS} AND id IN (SELECT asset FROM touched)")


def _carry_models(copy: apsw.Connection) -> None:
    """What a generation was to be is never changed, and its number is never given again. Before the generations."""
    gone = _numbers(copy, "SELECT id FROM main.generation EXCEPT SELECT id FROM record.generation")
    come = _numbers(copy, "SELECT id FROM record.generation EXCEPT SELECT id FROM main.generation")
    for table in _BY_GENERATION:
        for generation in gone:
            copy.execute(f"DELETE FROM main.{table} WHERE generation = ?", (generation,))
        for generation in come:
            insert = f"INSERT INTO main.{table} SELECT * FROM record.{table} WHERE generation = ?"
            copy.execute(insert, (generation,))


def _carry_cuts(copy: apsw.Connection) -> None:
    """What a filter omits of a package is never changed. A package whose number was given again has lost its cuts."""
    gone = "SELECT * FROM main.cut EXCEPT SELECT * FROM record.cut"
    copy.execute(f"DELETE FROM omitted WHERE (package, path_filter) IN ({gone})")
    copy.execute(f"DELETE FROM cut WHERE (package, path_filter) IN ({gone})")
    come = "SELECT * FROM record.cut EXCEPT SELECT * FROM main.cut"
    copy.execute(
        f"INSERT INTO main.omitted SELECT o.* FROM ({come}) JOIN record.omitted AS o USING (package, path_filter)"
    )
    copy.execute(f"INSERT INTO cut {come}")


def _numbers(copy: apsw.Connection, query: str) -> list[int]:
    return [int(str(number)) for (number,) in copy.execute(query)]


def _carry_table(copy: apsw.Connection, table: str) -> None:
    key = [str(name) for _, name, _, _, _, place in copy.execute(f"PRAGMA main.table_info({table})") if place]
    if not key:
        copy.execute(f"DELETE FROM main.{table}")
        copy.execute(f"INSERT INTO main.{table} SELECT * FROM record.{table}")
        return
    columns = ", ".join(key)
    copy.execute(
        f"DELETE FROM main.{table} WHERE ({columns}) IN (SELECT {columns} FROM"
        f" (SELECT * FROM main.{table} EXCEPT SELECT * FROM record.{table}))"
    )
    copy.execute(f"INSERT INTO main.{table} SELECT * FROM record.{table} EXCEPT SELECT * FROM main.{table}")

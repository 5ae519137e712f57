"""The copy of the record: a database of its own, brought up to date by what changed and nothing more.

The first copy is SQLite's own, made aside and renamed. From then on rows are carried over:

    package, asset, layout   by package: those that came and those that went; rows per file only of these
    cut, omitted             by cut, likewise
    all other tables         by difference, row for row: they are small

The copy is written in one transaction, so it is always one state of the record. It lies outside the record's
directory, so that what takes one away does not take the other. docs/decisions/0012-the-copy-of-the-record.md.
"""

import os
from contextlib import closing

import apsw

from moss.db import soundness
from moss.db.connection import REMEDY, Database
from moss.effects import Effects
from moss.errors import CorruptData

_BY_PACKAGE = ("package", "asset", "layout")
_BY_CUT = ("cut", "omitted")


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
        with copy.backup("main", record.connection, "main") as backup:
            backup.step()
        copy.execute("PRAGMA journal_mode = TRUNCATE")
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
                target.execute("PRAGMA journal_mode = TRUNCATE")
    except (apsw.CorruptError, apsw.NotADBError, apsw.IOError):
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
            if _schema(copy, "main") != _schema(copy, "record"):
                return False
            with copy:
                _carry_packages(copy)
                for table in _tables(copy):
                    if table not in (*_BY_PACKAGE, *_BY_CUT):
                        _carry_table(copy, table)
                _carry_cuts(copy)
    except (apsw.CorruptError, apsw.NotADBError, apsw.ConstraintError, apsw.SQLError):
        return False
    return True


def _schema(copy: apsw.Connection, database: str) -> list[tuple[object, ...]]:
    version = copy.pragma("user_version", schema=database)
    rows = copy.execute(f"SELECT name, sql FROM {database}.sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
    return [(version,), *rows]


def _tables(copy: apsw.Connection) -> list[str]:
    rows = copy.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND (name NOT LIKE 'sqlite_%' OR name = 'sqlite_sequence')"
        " ORDER BY name"
    )
    return [str(name) for (name,) in rows]


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
    copy.execute(
        "INSERT OR REPLACE INTO main.asset SELECT * FROM record.asset WHERE id IN (SELECT asset FROM touched)"
    )


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

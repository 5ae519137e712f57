"""Whether the record itself is whole: what SQLite finds wrong with the file, and rows that contradict each other."""

import apsw

from moss.db.connection import Database

_MOST = 20
"""How many faults are told."""


def faults(database: Database, *, quick: bool = False) -> tuple[str, ...]:
    """Sentences; none when all is well. `quick` skips what reads every index."""
    check = "quick_check" if quick else "integrity_check"
    try:
        found = [str(text) for (text,) in database.connection.execute(f"PRAGMA {check}({_MOST})")]
        if found == ["ok"]:
            found = [
                f"row {rowid} of {table} refers to a {parent} that is not there"
                for table, rowid, parent, _ in database.connection.execute("PRAGMA foreign_key_check")
            ]
    except (apsw.CorruptError, apsw.NotADBError, apsw.IOError) as fault:
        found = [str(fault)]
    return tuple(found[:_MOST])

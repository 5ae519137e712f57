"""Which files in /etc and /var were copied from a generation's factory, and what they were then."""

from collections.abc import Mapping

from moss.db.connection import Database


def copies(database: Database) -> dict[str, str]:
    """Path relative to the root, to the digest of what was copied there."""
    return dict(database.connection.execute("SELECT path, digest FROM factory_copy ORDER BY path"))


def record_copies(database: Database, copied: Mapping[str, str]) -> None:
    """Replace the whole record."""
    with database.transaction():
        database.connection.execute("DELETE FROM factory_copy")
        database.connection.executemany(
            "INSERT INTO factory_copy (path, digest) VALUES (?, ?)", sorted(copied.items())
        )

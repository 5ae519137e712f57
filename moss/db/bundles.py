"""What a system knows of bundles and their makers: its own number, the keys it trusts, how far each
exporter has counted."""

from typing import NamedTuple

from moss.db.connection import Database


class PinnedKey(NamedTuple):
    """A key whose bundles are taken."""

    name: str
    public: bytes
    pinned_at: int


def system_identity(database: Database) -> str:
    """32 hexadecimal digits that no other system has."""
    row = database.connection.execute("SELECT system FROM identity").fetchone()
    assert row is not None
    return str(row[0])


def pin(database: Database, key: PinnedKey) -> None:
    database.connection.execute("INSERT INTO pinned_key (name, public, pinned_at) VALUES (?, ?, ?)", key)


def unpin(database: Database, name: str) -> bool:
    """Whether there was one of that name."""
    database.connection.execute("DELETE FROM pinned_key WHERE name = ?", (name,))
    return database.connection.changes() == 1


def pinned_keys(database: Database) -> list[PinnedKey]:
    """All of them, by name."""
    rows = database.connection.execute("SELECT name, public, pinned_at FROM pinned_key ORDER BY name")
    return [PinnedKey(*row) for row in rows]


def counter(database: Database, system: str, public: bytes | None) -> int:
    """Of the newest bundle of this exporter that was taken or made; 0 when there was none.

    Without a key: of the newest one of that system, whoever signed it.
    """
    row = database.connection.execute(
        "SELECT max(counter) FROM bundle_counter WHERE system = ?1 AND (?2 IS NULL OR public = ?2)", (system, public)
    ).fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


def raise_counter(database: Database, system: str, public: bytes, number: int) -> None:
    """It never goes back: a lower number changes nothing."""
    database.connection.execute(
        "INSERT INTO bundle_counter (system, public, counter) VALUES (?, ?, ?)"
        " ON CONFLICT (system, public) DO UPDATE SET counter = max(counter, excluded.counter)",
        (system, public, number),
    )

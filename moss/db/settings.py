"""What the person set once for a system, in the record."""

from moss.db.connection import Database


def retention(database: Database) -> int | None:
    """How many generations upkeep keeps; None where nobody has said."""
    row = database.connection.execute("SELECT value FROM setting WHERE name = 'retention'").fetchone()
    return None if row is None else int(row[0])


def set_retention(database: Database, count: int) -> None:
    database.connection.execute(
        "INSERT INTO setting (name, value) VALUES ('retention', ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (count,),
    )

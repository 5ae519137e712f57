"""What the record knows of the file of the system model: what moss wrote there, and what it is about to write."""

from moss.db.connection import Database
from solver.values import value


@value
class ModelFile:
    """See the table in schema/sql."""

    written: str | None = None
    next: str | None = None
    taken: str | None = None
    settles: bool = True


def recorded(database: Database) -> ModelFile:
    row = database.connection.execute("SELECT written, next, taken, settles FROM model_file").fetchone()
    return ModelFile() if row is None else ModelFile(row[0], row[1], row[2], bool(row[3]))


def record(database: Database, said: ModelFile) -> None:
    """Put on record what is to be written, in the transaction that decides on it."""
    database.connection.execute(
        "INSERT OR REPLACE INTO model_file (one, written, next, taken, settles) VALUES (1, ?, ?, ?, ?)",
        (said.written, said.next, said.taken, int(said.settles)),
    )


def record_settled(database: Database, said: ModelFile, *, is_due: bool) -> None:
    """What was to be written is there, or the file was edited meanwhile and stays so; or it is due still."""
    if said.next is not None:
        record(database, said if is_due else ModelFile(said.next if said.settles else None))


def forget_next(database: Database) -> None:
    """Nothing is to be written any more."""
    database.connection.execute("UPDATE model_file SET next = NULL, taken = NULL, settles = 1")

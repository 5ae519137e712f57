"""The journal: every transaction there was, and how far the one under way has come."""

from moss.db.connection import Database
from moss.generation import JournalEntry
from moss.root import GenerationId

_COLUMNS = "id, operation, command, from_generation, to_generation, phase, started_at, finished_at"


def begin(
    database: Database,
    *,
    operation: str,
    command: str,
    from_generation: GenerationId | None,
    started_at: int,
) -> int:
    """Write down that a transaction is under way; the database refuses a second one."""
    # In a transaction: the implicit commit of a statement that returns rows does not tell when it fails.
    with database.transaction():
        row = database.connection.execute(
            "INSERT INTO journal (operation, command, from_generation, phase, started_at)"
            " VALUES (?, ?, ?, 'staging', ?) RETURNING id",
            (operation, command, from_generation, started_at),
        ).fetchone()
    assert row is not None
    return int(row[0])


def set_target(database: Database, entry: int, to_generation: GenerationId) -> None:
    database.connection.execute("UPDATE journal SET to_generation = ? WHERE id = ?", (to_generation, entry))


def set_phase(database: Database, entry: int, phase: str) -> None:
    database.connection.execute("UPDATE journal SET phase = ? WHERE id = ?", (phase, entry))


def finish(database: Database, entry: int, phase: str, finished_at: int) -> None:
    """The transaction is over: `done`, or `undone` when the system is as it was before."""
    database.connection.execute(
        "UPDATE journal SET phase = ?, finished_at = ? WHERE id = ?", (phase, finished_at, entry)
    )


def under_way(database: Database) -> JournalEntry | None:
    rows = database.connection.execute(f"SELECT {_COLUMNS} FROM journal WHERE finished_at IS NULL")
    return next((_entry(row) for row in rows), None)


def entries(database: Database) -> list[JournalEntry]:
    """Every transaction, oldest first."""
    return [_entry(row) for row in database.connection.execute(f"SELECT {_COLUMNS} FROM journal ORDER BY id")]


def _entry(row: tuple[object, ...]) -> JournalEntry:
    identity, operation, command, source, target, phase, started_at, finished_at = row
    assert isinstance(identity, int) and isinstance(started_at, int)
    return JournalEntry(
        id=identity,
        operation=str(operation),
        command=str(command),
        from_generation=GenerationId(source) if isinstance(source, int) else None,
        to_generation=GenerationId(target) if isinstance(target, int) else None,
        phase=str(phase),
        started_at=started_at,
        finished_at=finished_at if isinstance(finished_at, int) else None,
    )

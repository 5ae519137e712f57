"""Which repositories a system has."""

from moss.db.connection import Database
from moss.repository import Repository


def add(database: Database, repository: Repository, added_at: int) -> None:
    database.connection.execute(
        "INSERT INTO repository (name, uri, priority, enabled, unsigned, added_at) VALUES (?, ?, ?, ?, ?, ?)",
        (
            repository.name, repository.uri, repository.priority,
            int(repository.enabled), int(repository.unsigned), added_at,
        ),
    )  # fmt: skip


def remove(database: Database, name: str) -> bool:
    """Whether there was one of that name."""
    database.connection.execute("DELETE FROM repository WHERE name = ?", (name,))
    return database.connection.changes() == 1


def repositories(database: Database) -> list[Repository]:
    """All of them, highest priority first, then by name."""
    rows = database.connection.execute(
        "SELECT name, uri, priority, enabled, unsigned FROM repository ORDER BY priority DESC, name"
    )
    return [
        Repository(name, uri, priority, bool(enabled), bool(unsigned))
        for name, uri, priority, enabled, unsigned in rows
    ]

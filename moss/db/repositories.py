"""Which repositories a system has."""

import json

from moss.db.connection import Database
from moss.repository import Repository, Voucher, Vouching

_COLUMNS = "name, uri, priority, enabled, vouched_by, pinned, max_staleness"


def add(database: Database, repository: Repository, added_at: int) -> None:
    database.connection.execute(
        f"INSERT INTO repository ({_COLUMNS}, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            repository.name, repository.uri, repository.priority,
            int(repository.enabled), *_vouching_row(repository.vouching), added_at,
        ),
    )  # fmt: skip
    database.connection.executemany(
        "INSERT INTO repository_mirror (repository, position, uri) VALUES (?, ?, ?)",
        [(repository.name, position, uri) for position, uri in enumerate(repository.mirrors)],
    )


def set_enabled(database: Database, name: str, *, enabled: bool) -> bool:
    """Whether there was one of that name."""
    database.connection.execute("UPDATE repository SET enabled = ? WHERE name = ?", (int(enabled), name))
    return database.connection.changes() == 1


def set_priority(database: Database, name: str, priority: int) -> bool:
    """Whether there was one of that name."""
    database.connection.execute("UPDATE repository SET priority = ? WHERE name = ?", (priority, name))
    return database.connection.changes() == 1


def set_vouching(database: Database, name: str, vouching: Vouching) -> None:
    """Who vouches for a repository from now on."""
    database.connection.execute(
        "UPDATE repository SET vouched_by = ?, pinned = ?, max_staleness = ? WHERE name = ?",
        (*_vouching_row(vouching), name),
    )


def remove(database: Database, name: str) -> bool:
    """Whether there was one of that name."""
    database.connection.execute("DELETE FROM repository WHERE name = ?", (name,))
    return database.connection.changes() == 1


def repositories(database: Database) -> list[Repository]:
    """All of them, highest priority first, then by name."""
    rows = database.connection.execute(f"SELECT {_COLUMNS} FROM repository ORDER BY priority DESC, name")
    mirrors: dict[str, tuple[str, ...]] = {}
    for name, uri in database.connection.execute(
        "SELECT repository, uri FROM repository_mirror ORDER BY repository, position"
    ):
        mirrors[name] = (*mirrors.get(name, ()), uri)
    return [
        Repository(
            name, uri, priority, bool(enabled), Vouching(Voucher(by), pinned, max_staleness), mirrors.get(name, ())
        )
        for name, uri, priority, enabled, by, pinned, max_staleness in rows
    ]


def repositories_text(database: Database) -> str:
    """All of them as one text, equal as long as they are."""
    rows = database.connection.execute(f"SELECT {_COLUMNS} FROM repository ORDER BY name")
    return json.dumps([*rows], ensure_ascii=False)


def _vouching_row(vouching: Vouching) -> tuple[str, str, int]:
    return vouching.by.value, vouching.pinned, vouching.max_staleness

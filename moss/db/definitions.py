"""What repositories say that subscriptions mean, as their indexes had it when they were last read; on record, what the
last bundle said."""

from collections.abc import Iterable, Mapping

from moss.db.connection import Database


def replace_texts(database: Database, repository: str, texts: Mapping[str, str]) -> None:
    """What a repository says now, each file's text by its name. Inside `candidates.replacing`."""
    database.connection.execute("DELETE FROM definition WHERE repository = ?", (repository,))
    database.connection.executemany(
        "INSERT INTO definition (repository, file, text) VALUES (?, ?, ?)",
        ((repository, name, text) for name, text in texts.items()),
    )


def texts_of(database: Database) -> dict[str, list[tuple[str, str]]]:
    """Of each repository that says anything: files' names and texts, by name."""
    found: dict[str, list[tuple[str, str]]] = {}
    rows = database.connection.execute("SELECT repository, file, text FROM definition ORDER BY repository, file")
    for repository, name, text in rows:
        found.setdefault(repository, []).append((name, text))
    return found


def replace_carried(record: Database, texts: Iterable[tuple[str, str]]) -> None:
    """What a bundle says whose generation is taken: files and texts, by precedence, in place of all there were."""
    record.connection.execute("DELETE FROM carried_definition")
    record.connection.executemany("INSERT INTO carried_definition (file, text) VALUES (?, ?)", texts)


def carried(record: Database) -> list[tuple[str, str]]:
    """Files and texts of the bundle that was taken last, by precedence."""
    rows = record.connection.execute("SELECT file, text FROM carried_definition ORDER BY position")
    return [(str(file), str(text)) for file, text in rows]

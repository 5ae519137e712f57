"""What repositories offer, as their indexes said when they were last read."""

from collections.abc import Iterable, Iterator, Sequence

import apsw

from moss.db.connection import Database
from moss.db.statements import metadata_from, statement_of
from moss.digest import PackageDigest
from moss.package import Published
from moss.repository import Candidate, Revision, candidate_key_of

_COLUMNS = (
    "repository, candidate_key, uri, digest, stone_size,"
    " name, version, release, build_release, architecture, scheme, statement"
)


def replace_repository(database: Database, revision: Revision, offered: Iterable[Published]) -> None:
    """Give a repository this content instead of what it had; readers see the old or the new."""
    with database.transaction():
        forget_repository(database, revision.repository)
        database.connection.execute(
            "INSERT INTO revision (repository, uri, digest, refreshed_at, package_count)"
            " VALUES (?, ?, ?, ?, ?)",
            (
                revision.repository, revision.uri, revision.digest,
                revision.refreshed_at, revision.package_count,
            ),
        )  # fmt: skip
        cursor = database.connection.cursor()
        for published in offered:
            _insert(cursor, revision.repository, published)


def _insert(cursor: apsw.Cursor, repository: str, published: Published) -> None:
    metadata = published.metadata
    row = cursor.execute(
        f"INSERT INTO candidate ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            repository, candidate_key_of(metadata, published.digest), published.uri, published.digest,
            published.size, metadata.name, metadata.version, metadata.release, metadata.build_release,
            metadata.architecture, metadata.scheme.name.lower(), statement_of(metadata),
        ),
    ).fetchone()  # fmt: skip
    provided = {provide.name for provide in metadata.relations.provides} - {metadata.name}
    assert row is not None
    cursor.executemany(
        "INSERT INTO provided (capability, candidate) VALUES (?, ?)",
        ((capability, row[0]) for capability in sorted(provided)),
    )


def forget_repository(database: Database, name: str) -> None:
    database.connection.execute("DELETE FROM revision WHERE repository = ?", (name,))


def revisions(database: Database) -> list[Revision]:
    rows = database.connection.execute(
        "SELECT repository, uri, digest, refreshed_at, package_count FROM revision ORDER BY repository"
    )
    return [Revision(*row) for row in rows]


def all_of(database: Database, repositories: Sequence[str]) -> Iterator[Candidate]:
    """Everything that these repositories offer, by name."""
    marks = ", ".join("?" * len(repositories))
    rows = database.connection.execute(
        f"SELECT {_COLUMNS} FROM candidate WHERE repository IN ({marks}) ORDER BY name, id", repositories
    )
    return map(_candidate, rows)


def by_key(database: Database, repository: str, key: str) -> Candidate | None:
    """The candidate that the solver chose out of this repository."""
    rows = database.connection.execute(
        f"SELECT {_COLUMNS} FROM candidate WHERE repository = ? AND candidate_key = ? ORDER BY id",
        (repository, key),
    )
    return next(map(_candidate, rows), None)


def by_name(database: Database, name: str) -> list[Candidate]:
    rows = database.connection.execute(
        f"SELECT {_COLUMNS} FROM candidate WHERE name = ? ORDER BY id", (name,)
    )
    return [_candidate(row) for row in rows]


def providers_of(database: Database, capability: str) -> list[Candidate]:
    """Who provides this, by name; a package provides its own name."""
    rows = database.connection.execute(
        f"SELECT {_COLUMNS} FROM candidate WHERE name = ?1"
        " OR id IN (SELECT candidate FROM provided WHERE capability = ?1) ORDER BY name, id",
        (capability,),
    )
    return [_candidate(row) for row in rows]


def names(database: Database) -> list[str]:
    """Every package name on offer, for finding near ones."""
    rows = database.connection.execute("SELECT DISTINCT name FROM candidate ORDER BY name")
    return [name for (name,) in rows]


def _candidate(row: tuple[object, ...]) -> Candidate:
    repository, key, uri, digest, size, *columns = row
    assert isinstance(size, int)
    return Candidate(
        repository=str(repository),
        candidate_key=str(key),
        metadata=metadata_from(*columns),  # type: ignore[arg-type]
        uri=str(uri),
        digest=PackageDigest(str(digest)),
        stone_size=size,
    )

"""Looking into layouts path by path: what an update needs without reading whole systems.

Two selections are compared: what a tree holds now and what it shall hold. Both live in temporary
tables; a package that is not on record yet is told apart by its name and kept by the caller.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from moss.db.connection import Database
from moss.db.cuts import filter_of, not_omitted
from moss.db.packages import metadata_of
from moss.digest import EMPTY_CONTENT
from moss.generation import NO_FILTER, FilterId, PackageId
from moss.layout import Entry, EntryKind
from moss.root import GenerationId
from moss.xattrs import NO_XATTRS

_KINDS = {int(kind): kind for kind in EntryKind}

OLD, NEW = 1, 2
"""In which selection a package is: a sum of these."""

_STAYS = not_omitted("compared.path_filter")


class Holding(NamedTuple):
    """What a tree holds: packages, under a filter."""

    packages: Sequence[PackageId]
    path_filter: FilterId = NO_FILTER


def compare(database: Database, old: Holding, new: Holding) -> None:
    """Set the two selections that the other functions here speak of."""
    same = old.path_filter == new.path_filter
    both = set(old.packages) & set(new.packages) if same else set[PackageId]()
    rows = [(package, OLD + NEW, new.path_filter) for package in both]
    rows += [(package, OLD, old.path_filter) for package in set(old.packages) - both]
    rows += [(package, NEW, new.path_filter) for package in set(new.packages) - both]
    with database.transaction():
        database.connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS compared (package INTEGER NOT NULL, side INTEGER NOT NULL,"
            " path_filter INTEGER NOT NULL, PRIMARY KEY (package, side)) WITHOUT ROWID"
        )
        database.connection.execute("CREATE TEMP TABLE IF NOT EXISTS asked (path TEXT PRIMARY KEY) WITHOUT ROWID")
        database.connection.execute("DELETE FROM compared")
        database.connection.executemany("INSERT INTO compared (package, side, path_filter) VALUES (?, ?, ?)", rows)


def rows_at(
    database: Database, paths: Iterable[str]
) -> list[tuple[str, int, str, Entry]]:
    """Every entry that either selection has at these paths: path, sides, package name, entry.

    Sorted by path, then by package name.
    """
    _ask(database, paths)
    rows = database.connection.execute(
        "SELECT layout.path, side, name, kind, mode, layout.uid, layout.gid, asset.digest, link_target, asset.xattrs"
        " FROM asked CROSS JOIN layout ON layout.path = asked.path"
        f" JOIN compared ON compared.package = layout.package AND {_STAYS}"
        " JOIN package ON package.id = layout.package"
        " LEFT JOIN asset ON asset.id = layout.asset ORDER BY layout.path, name, package.id"
    )
    return [
        (path, side, name, Entry(path, _KINDS[kind], mode, uid, gid, digest, target, xattrs or NO_XATTRS))
        for path, side, name, kind, mode, uid, gid, digest, target, xattrs in rows
    ]


def links_among(database: Database, paths: Iterable[str]) -> dict[str, str]:
    """Which of these paths are symlinks in either selection, with their targets."""
    _ask(database, paths)
    return dict(
        database.connection.execute(
            "SELECT layout.path, link_target FROM asked CROSS JOIN layout ON layout.path = asked.path"
            f" JOIN compared ON compared.package = layout.package AND {_STAYS} WHERE kind = 2"
        )
    )


def sides_below(database: Database, directory: str) -> int:
    """Which of the selections have a path below this directory: a sum of OLD and NEW."""
    found = 0
    for side in (OLD, NEW):
        row = database.connection.execute(
            f"SELECT 1 FROM layout JOIN compared ON compared.package = layout.package AND {_STAYS}"
            " WHERE path > ? AND path < ? AND side & ? LIMIT 1",
            (f"{directory}/", f"{directory}0", side),
        ).fetchone()
        found += side if row else 0
    return found


def changed_paths(database: Database) -> list[str]:
    """Every path that only one selection has of a package: all of a package that is in one of them alone, and
    what one filter leaves out and the other does not."""
    by_filter = (
        "SELECT omitted.path FROM omitted WHERE package = ?1 AND path_filter = {0}"
        " EXCEPT SELECT path FROM omitted WHERE package = ?1 AND path_filter = {1}"
    )
    either = f"SELECT * FROM ({by_filter.format('?2', '?3')}) UNION SELECT * FROM ({by_filter.format('?3', '?2')})"
    alone = f"SELECT path FROM layout, (SELECT ?2 AS path_filter) AS compared WHERE package = ?1 AND {_STAYS}"
    sides = database.connection.execute(
        "SELECT package, min(path_filter), max(path_filter), count(*) FROM compared WHERE side <> ?"
        " GROUP BY package ORDER BY package",
        (OLD + NEW,),
    ).fetchall()
    found: list[str] = []
    for package, first, second, count in sides:
        rows = (
            database.connection.execute(alone, (package, first))
            if count == 1
            else database.connection.execute(either, (package, first, second))
        )
        found += [str(path) for (path,) in rows]
    return found


def empty_files(database: Database, generation: GenerationId) -> list[str]:
    """Every path at which a package of the generation has a file of zero length."""
    rows = database.connection.execute(
        "SELECT layout.path FROM asset JOIN layout ON layout.asset = asset.id"
        " JOIN selection ON selection.package = layout.package AND generation = ?1"
        f" WHERE digest = ?2 AND {not_omitted('?3')}",
        (generation, EMPTY_CONTENT, filter_of(database, generation)),
    )
    return [path for (path,) in rows]


def replaced_names(database: Database, name: str, side: int) -> set[str]:
    """Which packages the one of this name in a selection says that it replaces."""
    rows = database.connection.execute(
        "SELECT id FROM package JOIN compared ON compared.package = package.id WHERE name = ? AND side & ?",
        (name, side),
    )
    found = [metadata_of(database, PackageId(identity)) for (identity,) in list(rows)]
    return {relation.name for metadata in found for relation in metadata.relations.replaces}


def _ask(database: Database, paths: Iterable[str]) -> None:
    with database.transaction():
        database.connection.execute("DELETE FROM asked")
        database.connection.executemany(
            "INSERT OR IGNORE INTO asked (path) VALUES (?)", ((path,) for path in paths)
        )

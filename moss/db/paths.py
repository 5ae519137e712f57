"""Looking into layouts path by path: what an update needs without reading whole systems.

Two selections are compared: what a tree holds now and what it shall hold. Both live in temporary
tables; a package that is not on record yet is told apart by its name and kept by the caller.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from moss.db.connection import Database
from moss.db.cuts import filter_of, not_omitted
from moss.db.packages import has_digest, metadata_of
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
    before, after = set(old.packages), set(new.packages)
    both = before & after if old.path_filter == new.path_filter else set[PackageId]()
    rows = [(package, OLD + NEW, new.path_filter, False) for package in both]
    rows += [(package, OLD, old.path_filter, package not in after) for package in before - both]
    rows += [(package, NEW, new.path_filter, package not in before) for package in after - both]
    with database.transaction():
        database.connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS compared (package INTEGER NOT NULL, side INTEGER NOT NULL,"
            " path_filter INTEGER NOT NULL, alone INTEGER NOT NULL, PRIMARY KEY (package, side)) WITHOUT ROWID"
        )
        database.connection.execute("CREATE TEMP TABLE IF NOT EXISTS asked (path TEXT PRIMARY KEY) WITHOUT ROWID")
        database.connection.execute("DELETE FROM compared")
        database.connection.executemany("INSERT INTO compared VALUES (?, ?, ?, ?)", rows)


Row = tuple[Any, ...]
"""As SQLite gives it, since values of tens of thousands cost more than looking for them: path, sides, package name,
then in `WHAT` what is there: kind, mode, uid, gid, the asset's number, link target; then the asset's digest and
attributes. See `entry_of`."""
PATH, SIDES, NAME, KIND = range(4)
WHAT = slice(KIND, 9)
ASSET = 7

_WHAT = "path, side, name, kind, mode, layout.uid, layout.gid, layout.asset, link_target"
_COLUMNS = f"{_WHAT}, asset.digest, asset.xattrs"
# Read package by package, which is ten times as quick as looking up each path.
_ALONE = (
    f"SELECT {_COLUMNS} FROM compared CROSS JOIN package ON package.id = compared.package"
    " CROSS JOIN layout ON layout.package = compared.package LEFT JOIN asset ON asset.id = layout.asset"
    f" WHERE alone AND {_STAYS}"
)
_ASK_ALONE = (
    "INSERT OR IGNORE INTO asked SELECT layout.path FROM compared"
    f" CROSS JOIN layout ON layout.package = compared.package WHERE alone AND {_STAYS}"
)
# Which of the paths are theirs at all is answered by the index alone.
_SHARED = (
    "WITH shared (package, path, side) AS MATERIALIZED (SELECT layout.package, layout.path, side FROM asked"
    " CROSS JOIN layout ON layout.path = asked.path"
    f" JOIN compared ON compared.package = layout.package AND NOT alone WHERE {_STAYS})"
    f" SELECT {_COLUMNS} FROM shared CROSS JOIN layout USING (package, path)"
    " JOIN package ON package.id = shared.package LEFT JOIN asset ON asset.id = layout.asset"
)


_GOING = (
    f"SELECT {_WHAT}, NULL, NULL FROM compared CROSS JOIN package ON package.id = compared.package"
    f" CROSS JOIN layout ON layout.package = compared.package WHERE alone AND side = {OLD} AND {_STAYS}"
)


def rows_of_one(database: Database, *, whole: bool = True) -> list[Row]:
    """Every entry of the packages that are in only one of the selections. Without `whole` those of the old selection
    do not say their assets' digests and attributes: nearly always nobody asks what goes."""
    execute = database.connection.execute
    if whole:
        return execute(_ALONE).fetchall()
    return execute(_GOING).fetchall() + execute(f"{_ALONE} AND side = {NEW}").fetchall()


def rows_of_both(database: Database, paths: Iterable[str]) -> list[Row]:
    """Every entry that packages of both selections have at these paths, or where packages of only one have any."""
    with database.transaction():
        database.connection.execute("DELETE FROM asked")
        database.connection.execute(_ASK_ALONE)
        database.connection.executemany("INSERT OR IGNORE INTO asked (path) VALUES (?)", ((path,) for path in paths))
    return database.connection.execute(_SHARED).fetchall()


def entry_of(row: Row, path: str) -> Entry:
    """What a row says is there, at the path where it really is."""
    _, _, _, kind, mode, uid, gid, _, target, digest, xattrs = row
    return Entry(path, _KINDS[kind], mode, uid, gid, digest, target, xattrs or NO_XATTRS)


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


def removed_paths(database: Database) -> list[str]:
    """The paths that triggers removed in one of the selections."""
    rows = database.connection.execute(
        "SELECT DISTINCT path FROM compared CROSS JOIN layout INDEXED BY layout_removed"
        " ON layout.package = compared.package WHERE kind = 8"
    )
    return [str(path) for (path,) in rows]


def rows_below(database: Database, directory: str) -> list[Row]:
    """Every entry that packages of the selections have below this directory."""
    return database.connection.execute(
        f"SELECT {_COLUMNS} FROM layout JOIN compared ON compared.package = layout.package AND {_STAYS}"
        " JOIN package ON package.id = layout.package LEFT JOIN asset ON asset.id = layout.asset"
        " WHERE layout.path > ? AND layout.path < ?",
        (f"{directory}/", f"{directory}0"),
    ).fetchall()


def paths_by_filter(database: Database) -> list[str]:
    """Every path of packages of both selections that one filter leaves out and the other does not."""
    found = database.connection.execute(
        "WITH twice (package, one, other) AS (SELECT package, min(path_filter), max(path_filter) FROM compared"
        " WHERE NOT alone GROUP BY package HAVING count(*) = 2)"
        " SELECT path FROM twice JOIN omitted USING (package) WHERE path_filter IN (one, other)"
        " GROUP BY package, path HAVING count(*) = 1"
    )
    return [str(path) for (path,) in found]


def empty_files(database: Database, generation: GenerationId) -> list[str]:
    """Every path at which a package of the generation has a file of zero length."""
    rows = database.connection.execute(
        "SELECT layout.path FROM asset CROSS JOIN layout ON layout.asset = asset.id"
        " CROSS JOIN selection ON selection.package = layout.package AND generation = ?1"
        f" WHERE {has_digest('?2')} AND {not_omitted('?3')}",
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

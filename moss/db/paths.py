"""Looking into layouts path by path: what an update needs without reading whole systems.

Two selections are compared: what a tree holds now and what it shall hold. Both live in temporary
tables; a package that is not on record yet is told apart by its name and kept by the caller.
"""

from collections.abc import Iterable, Sequence

from moss.db.connection import Database
from moss.db.packages import metadata_of
from moss.digest import EMPTY_CONTENT
from moss.generation import PackageId
from moss.layout import Entry, EntryKind
from moss.root import GenerationId
from moss.xattrs import NO_XATTRS

_KINDS = {int(kind): kind for kind in EntryKind}

OLD, NEW = 1, 2
"""In which selection a package is: a sum of these."""


def compare_selections(database: Database, old: Iterable[PackageId], new: Iterable[PackageId]) -> None:
    """Set the two selections that the other functions here speak of."""
    membership: dict[PackageId, int] = dict.fromkeys(old, OLD)
    for package in new:
        membership[package] = membership.get(package, 0) + NEW
    with database.transaction():
        database.connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS compared (package INTEGER PRIMARY KEY, side INTEGER NOT NULL)"
        )
        database.connection.execute("CREATE TEMP TABLE IF NOT EXISTS asked (path TEXT PRIMARY KEY) WITHOUT ROWID")
        database.connection.execute("DELETE FROM compared")
        database.connection.executemany("INSERT INTO compared (package, side) VALUES (?, ?)", membership.items())


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
        " JOIN compared ON compared.package = layout.package"
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
            " JOIN compared ON compared.package = layout.package WHERE kind = 2"
        )
    )


def sides_below(database: Database, directory: str) -> int:
    """Which of the selections have a path below this directory: a sum of OLD and NEW."""
    found = 0
    for side in (OLD, NEW):
        row = database.connection.execute(
            "SELECT 1 FROM layout JOIN compared ON compared.package = layout.package"
            " WHERE path > ? AND path < ? AND side & ? LIMIT 1",
            (f"{directory}/", f"{directory}0", side),
        ).fetchone()
        found += side if row else 0
    return found


def stated_paths(database: Database, packages: Sequence[PackageId]) -> list[str]:
    """Every path of these packages."""
    return [
        path
        for package in packages
        for (path,) in database.connection.execute("SELECT path FROM layout WHERE package = ?", (package,))
    ]


def empty_files(database: Database, generation: GenerationId) -> list[str]:
    """Every path at which a package of the generation has a file of zero length."""
    rows = database.connection.execute(
        "SELECT layout.path FROM asset JOIN layout ON layout.asset = asset.id"
        " JOIN selection ON selection.package = layout.package AND generation = ? WHERE digest = ?",
        (generation, EMPTY_CONTENT),
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

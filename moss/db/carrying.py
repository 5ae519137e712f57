"""Which contents a bundle of some packages must carry, told from layouts without reading whole systems.

`chosen` are the packages of which contents go into the bundle, `base` is what the receiver has.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from moss.db.connection import Database
from moss.db.cuts import Cut, is_present, not_omitted
from moss.db.packages import Asset
from moss.digest import EMPTY_CONTENT, ContentDigest
from moss.generation import FilterId, PackageId
from moss.path_filter import matcher


class Carried(NamedTuple):
    """A content to be carried: one of the assets that hold it, and a path that it has."""

    asset: Asset
    size: int
    path: str
    package: PackageId


def set_apart(database: Database, chosen: Iterable[PackageId], base: Iterable[Cut]) -> None:
    """Set the packages that the other functions here speak of."""
    insert = "INSERT OR IGNORE INTO carrying_has (digest) VALUES (?)"
    with database.transaction():
        for table in ("carrying (package INTEGER", "carrying_base (package INTEGER", "carrying_has (digest BLOB"):
            database.connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS {table} PRIMARY KEY)")
            database.connection.execute(f"DELETE FROM {table.partition(' ')[0]}")
        database.connection.executemany("INSERT OR IGNORE INTO carrying VALUES (?)", ((one,) for one in chosen))
        for package, path_filter in base:
            database.connection.execute("INSERT OR IGNORE INTO carrying_base VALUES (?)", (package,))
            omits = matcher(path_filter)
            database.connection.executemany(
                insert, ((digest,) for path, digest in _files(database, package) if omits(path) is None)
            )


def _files(database: Database, package: PackageId) -> list[tuple[str, bytes]]:
    rows = database.connection.execute(
        "SELECT path, digest FROM layout JOIN asset ON asset.id = layout.asset WHERE package = ?", (package,)
    )
    return list(rows)


def contents(database: Database, path_filter: FilterId) -> Iterator[Carried]:
    """Each content that the chosen packages have under a filter and the base has not, once; like beside like."""
    # The bare columns of a group are those of the row with the least path, so asset, size and path belong
    # together. Files of one kind lie together, since they compress best beside their like.
    rows = database.connection.execute(
        "SELECT digest, permissions, uid, gid, xattrs, size, path, package FROM ("
        " SELECT digest, permissions, asset.uid, asset.gid, xattrs, size, min(path) AS path, package"
        " FROM carrying CROSS JOIN layout USING (package) JOIN asset ON asset.id = layout.asset"
        f" WHERE digest <> ? AND {not_omitted('?')}"
        " AND digest NOT IN (SELECT digest FROM carrying_has) GROUP BY digest)"
        " ORDER BY replace(path, rtrim(path, replace(replace(path, '.', ''), '/', '')), ''), path",
        (EMPTY_CONTENT, path_filter),
    )
    for *asset, size, path, package in rows:
        yield Carried(Asset(*asset), size, path, PackageId(package))


def files_of_base(database: Database, name: str) -> Iterator[tuple[str, Asset, int]]:
    """The files that the base has of packages of this name, and this store too: path, asset, bytes."""
    rows = database.connection.execute(
        "SELECT path, asset.digest, permissions, asset.uid, asset.gid, xattrs, size FROM package"
        " JOIN carrying_base ON carrying_base.package = package.id JOIN layout ON layout.package = package.id"
        " JOIN asset ON asset.id = layout.asset WHERE name = ? AND asset.digest <> ?"
        f" AND asset.digest IN (SELECT digest FROM carrying_has) AND {is_present('asset.id')} ORDER BY path",
        (name, EMPTY_CONTENT),
    )
    for path, *asset, size in rows:
        yield path, Asset(*asset), size


def sizes_left_out(database: Database, package: PackageId, path_filter: FilterId) -> dict[ContentDigest, int]:
    """The bytes of each content that a filter leaves out of a package."""
    rows = database.connection.execute(
        "SELECT DISTINCT digest, size FROM omitted JOIN layout USING (package, path)"
        " JOIN asset ON asset.id = layout.asset WHERE package = ? AND path_filter = ? ORDER BY digest",
        (package, path_filter),
    )
    return {ContentDigest(digest): int(size) for digest, size in rows}

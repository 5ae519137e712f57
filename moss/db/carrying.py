"""Which contents a bundle of some packages must carry, told from layouts without reading whole systems.

`chosen` are the packages that go into the bundle, `base` those that the receiver has.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from moss.db.connection import Database
from moss.db.packages import Asset
from moss.digest import EMPTY_CONTENT
from moss.generation import PackageId


class Carried(NamedTuple):
    """A content to be carried: one of the assets that hold it, and a path that it has."""

    asset: Asset
    size: int
    path: str
    package: PackageId


def set_apart(database: Database, chosen: Iterable[PackageId], base: Iterable[PackageId]) -> None:
    """Set the packages that the other functions here speak of."""
    with database.transaction():
        for name, packages in (("carrying", chosen), ("carrying_base", base)):
            database.connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS {name} (package INTEGER PRIMARY KEY)")
            database.connection.execute(f"DELETE FROM {name}")
            database.connection.executemany(
                f"INSERT OR IGNORE INTO {name} (package) VALUES (?)", ((one,) for one in packages)
            )


def contents(database: Database) -> Iterator[Carried]:
    """Each content of the chosen packages that no package of the base has, once; like beside like."""
    # The bare columns of a group are those of the row with the least path, so asset, size and path belong
    # together. Files of one kind lie together, since they compress best beside their like.
    rows = database.connection.execute(
        "SELECT digest, permissions, uid, gid, xattrs, size, path, package FROM ("
        " SELECT digest, permissions, asset.uid, asset.gid, xattrs, size, min(path) AS path, package"
        " FROM carrying JOIN layout USING (package) JOIN asset ON asset.id = layout.asset"
        " WHERE digest <> ? AND digest NOT IN (SELECT digest FROM carrying_base JOIN layout USING (package)"
        " JOIN asset ON asset.id = layout.asset) GROUP BY digest)"
        " ORDER BY replace(path, rtrim(path, replace(replace(path, '.', ''), '/', '')), ''), path",
        (EMPTY_CONTENT,),
    )
    for *asset, size, path, package in rows:
        yield Carried(Asset(*asset), size, path, PackageId(package))


def files_of_base(database: Database, name: str) -> Iterator[tuple[str, Asset, int]]:
    """The files of the base's packages of this name: path, asset, bytes."""
    rows = database.connection.execute(
        "SELECT path, asset.digest, permissions, asset.uid, asset.gid, xattrs, size FROM package"
        " JOIN carrying_base ON carrying_base.package = package.id JOIN layout ON layout.package = package.id"
        " JOIN asset ON asset.id = layout.asset WHERE name = ? AND asset.digest <> ? ORDER BY path",
        (name, EMPTY_CONTENT),
    )
    for path, *asset, size in rows:
        yield path, Asset(*asset), size

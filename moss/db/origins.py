"""Where a content came from: the packages that have it, and so the stones it can be read from again."""

from typing import NamedTuple

from moss.db.connection import Database
from moss.db.cuts import is_present
from moss.db.packages import has_digest
from moss.digest import ContentDigest, PackageDigest
from moss.generation import PackageId


class Origin(NamedTuple):
    """A package on record, as its stone can be found again."""

    package: PackageId
    name: str
    label: str
    digest: PackageDigest
    """Of the stone."""
    candidate_key: str
    stone_size: int


def origins_of(database: Database, digest: ContentDigest) -> list[Origin]:
    """The packages that have a file with this content, by name."""
    rows = database.connection.execute(
        "SELECT DISTINCT package.id, name, name || ' ' || version || '-' || release, package.digest,"
        " candidate_key, stone_size FROM asset CROSS JOIN layout ON layout.asset = asset.id"
        f" JOIN package ON package.id = layout.package WHERE {has_digest('?1')} ORDER BY name, package.id",
        (digest,),
    )
    return [Origin(PackageId(row[0]), *row[1:]) for row in rows]


def total_size(database: Database) -> int:
    """Bytes of all assets in the store together, by the record."""
    query = f"SELECT coalesce(sum(size), 0) FROM asset WHERE {is_present('asset.id')}"
    row = database.connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
